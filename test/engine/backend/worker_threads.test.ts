import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureTensorFlow } from '../../../src/engine/tensorflow/tensorflow_library.js';

interface Answer {
  sum: number;
  handles: number;
  device: string;
}

describe('several threads of one process', () => {
  let folder: string;
  beforeAll(async () => {
    ({ folder } = await ensureTensorFlow());
  });

  async function runThreads(devices: readonly string[], options: object = {}): Promise<Answer[]> {
    const shared = {
      folder,
      logicalCpuDevices: 2,
      intraOpThreads: 1,
      started: new SharedArrayBuffer(4),
      threads: devices.length,
      ...options,
    };
    return Promise.all(
      devices.map(
        (device) =>
          new Promise<Answer>((resolve, reject) => {
            const worker = new Worker(new URL('../../support/engine_thread.mjs', import.meta.url), {
              workerData: { ...shared, device },
            });
            let answer: Answer | undefined;
            worker.once('message', (message: Answer) => (answer = message));
            worker.once('error', reject);
            worker.once('exit', (code) =>
              answer && code === 0 ? resolve(answer) : reject(new Error(`thread ended with ${code}`)),
            );
          }),
      ),
    );
  }

  it('each compute in a context of their own, at the same time, to the same bits', async () => {
    const [alone] = await runThreads(['CPU:0']);
    const together = await runThreads(['CPU:0', 'CPU:1', 'CPU:1']);
    expect(together).toEqual([alone, { ...alone, device: 'CPU:1' }, { ...alone, device: 'CPU:1' }]);
    expect(alone.handles).toBe(0);
  });

  it('may come and go, without disposing of their engines too', async () => {
    const [first] = await runThreads(['CPU:0'], { endsWithoutDisposing: true });
    const [second] = await runThreads(['CPU:1'], { endsWithoutDisposing: true });
    expect(second.sum).toBe(first.sum);
  });
});
