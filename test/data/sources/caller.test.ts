/** Owns: rows that a program gives, where its run ends while one of its calls is under way. */
import { expect, it } from 'vitest';
import { openStored } from '../../../src/data/open_stored.js';
import { readByCaller } from '../../../src/data/sources/caller.js';
import type { StoredSplit } from '../../../src/common/dataset.js';

it('a call that outlasts its run is answered to nobody, whatever comes of it, and none is made after it', async () => {
  const failures: unknown[] = [];
  const hear = (error: unknown): void => void failures.push(error);
  process.on('unhandledRejection', hear);
  try {
    for (const fails of [false, true]) {
      let calls = 0;
      let go = (): void => undefined;
      const held = new Promise<void>((resolve) => (go = resolve));
      let isLate = false;
      const read = async (rows: Int32Array): Promise<unknown> => {
        calls += 1;
        if (isLate) await held;
        if (isLate && fails) throw new Error('too late');
        return { x: Float32Array.from(rows), y: Float32Array.from(rows) };
      };
      const { dataset, close } = await readByCaller({ name: 'rows', inputShape: [1], train: { count: 4, read } });
      isLate = true;
      const opened = await openStored(dataset.train as StoredSplit, dataset.fields);
      const into = () => ({ inputs: { x: new Float32Array(1) }, targets: {} });
      const before = calls;
      for (const row of [0, 1]) void opened.read(Int32Array.of(row), into());
      await expect.poll(() => calls).toBe(before + 1);
      close();
      go();
      // Time for both, and for what nobody handles.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      expect(calls).toBe(before + 1);
    }
  } finally {
    process.off('unhandledRejection', hear);
  }
  expect(failures).toEqual([]);
});
