import { fork, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EnvironmentError } from '../../../src/common/errors.js';
import { fetchDistribution } from '../../../src/engine/tensorflow/fetch.js';
import { downloadWheel } from '../../../src/engine/tensorflow/python.js';
import type { Distribution } from '../../../src/engine/tensorflow/wheels.js';
import { REAL_PYTHON, makeDistribution, makeFakePython, type FakePython } from '../../support/fake_python.js';

const BOTH = ['tensorflow==1', 'nvidia-cudnn-cu12==9'];

if (REAL_PYTHON === undefined) console.log('fetch.test.ts skipped: python3, which unpacks the wheels, is not installed');

describe.skipIf(REAL_PYTHON === undefined)('fetching TensorFlow', () => {
  let folder: string;
  let cacheFolder: string;
  let fake: FakePython;
  let distribution: Distribution;
  let lines: string[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-fetch-'));
    cacheFolder = join(folder, 'cache');
    fake = makeFakePython(folder);
    distribution = makeDistribution(folder);
    lines = [];
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  const fetch = (): Promise<string> =>
    fetchDistribution({ cacheFolder, distribution, python: fake.python, onProgress: (line) => lines.push(line) });
  const refusal = async (): Promise<EnvironmentError> => {
    const error: unknown = await fetch().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(EnvironmentError);
    return error as EnvironmentError;
  };

  it('keeps the libraries and the licenses, laid out as in site-packages', async () => {
    const complete = await fetch();
    expect(complete).toBe(join(cacheFolder, 'tensorflow-test'));
    const files = readdirSync(complete, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(complete.length + 1));
    expect(files.sort()).toEqual([
      'nvidia/cudnn/lib/libcudnn.so.9',
      'nvidia_cudnn_cu12-9.dist-info/licenses/License.txt',
      'tensorflow/THIRD_PARTY_NOTICES.txt',
      'tensorflow/libtensorflow_cc.so.2',
      'tensorflow/libtensorflow_framework.so.2',
    ]);
    expect(readFileSync(join(complete, 'tensorflow/libtensorflow_cc.so.2'), 'utf8')).toBe('library');
    expect(existsSync(`${complete}.partial`)).toBe(false);
    expect(fake.asked()).toEqual(BOTH);
    expect(lines[0]).toContain('fetching TensorFlow');
    expect(lines.at(-1)).toContain('(100 %)');
  });

  it('asks pip for nothing when it is complete already', async () => {
    await fetch();
    await fetch();
    expect(fake.asked()).toEqual(BOTH);
  });

  it('starts again at the wheel it was at', async () => {
    vi.stubEnv('FAKE_PIP_FAILS_AT', 'nvidia-cudnn-cu12==9');
    const error = await refusal();
    expect(error.code).toBe('TENSORFLOW_FETCH_FAILED');
    expect(error.message).toContain('Could not find a version that satisfies the requirement nvidia-cudnn-cu12==9');
    expect(existsSync(join(cacheFolder, 'tensorflow-test'))).toBe(false);

    vi.stubEnv('FAKE_PIP_FAILS_AT', '');
    await fetch();
    expect(fake.asked()).toEqual([...BOTH, 'nvidia-cudnn-cu12==9']);
  });

  it('starts again at the wheel it was at after being killed', async () => {
    const first = fetchInAnotherProcess({ FAKE_PIP_HANGS_AT: 'nvidia-cudnn-cu12==9' });
    await vi.waitFor(() => expect(fake.asked()).toEqual(BOTH), { timeout: 300_000, interval: 50 });
    first.kill('SIGKILL');
    await new Promise((resolve) => first.once('exit', resolve));

    const complete = await fetch();
    expect(fake.asked()).toEqual([...BOTH, 'nvidia-cudnn-cu12==9']);
    expect(existsSync(join(complete, 'tensorflow/libtensorflow_cc.so.2'))).toBe(true);
    expect(existsSync(join(complete, 'nvidia/cudnn/lib/libcudnn.so.9'))).toBe(true);
  });

  it('lets two processes that start together fetch each wheel once', async () => {
    const delay = { FAKE_PIP_DELAY_MS: '300' };
    const folders = await Promise.all([answerOf(fetchInAnotherProcess(delay)), answerOf(fetchInAnotherProcess(delay))]);
    expect(folders).toEqual([join(cacheFolder, 'tensorflow-test'), join(cacheFolder, 'tensorflow-test')]);
    expect(fake.asked()).toEqual(BOTH);
  });

  it('refuses a wheel whose hash is another, and keeps nothing of it', async () => {
    writeFileSync(join(folder, 'tensorflow==1.whl'), 'something else');
    const error = await refusal();
    expect(error.code).toBe('TENSORFLOW_HASH_MISMATCH');
    expect(error.message).toContain(`wanted ${distribution.wheels[0].sha256}`);
    expect(existsSync(join(cacheFolder, 'tensorflow-test'))).toBe(false);
    expect(existsSync(join(cacheFolder, 'tensorflow-test.partial/tree/tensorflow'))).toBe(false);
  });

  it('says what to install when there is no pip', async () => {
    vi.stubEnv('FAKE_PIP', 'missing');
    const error = await refusal();
    expect(error).toMatchObject({ code: 'PIP_NOT_FOUND', exitCode: 3 });
    expect(error.message).toContain('No module named pip');
    expect(error.next).toContain('apt install python3-pip');
  });

  it('says what to install when there is no Python', async () => {
    rmSync(fake.python);
    const error = await refusal();
    expect(error.code).toBe('PIP_NOT_FOUND');
    expect(error.message).toContain('is not installed');
  });

  it('refuses to begin when the disk cannot hold it', async () => {
    distribution = { ...distribution, installedBytes: 1e18 };
    const error = await refusal();
    expect(error.code).toBe('DISK_FULL');
    expect(error.next).toContain('TFJS_PARALLEL_CACHE');
    expect(fake.asked()).toEqual([]);
  });

  it('leaves no pip behind when it is killed', async () => {
    // A real Python, whose pip says who it is and takes a minute.
    const noted = join(folder, 'pid');
    mkdirSync(join(folder, 'pip'));
    writeFileSync(join(folder, 'pip', '__init__.py'), '');
    writeFileSync(
      join(folder, 'pip', '__main__.py'),
      `import os, sys, time\nif '--version' not in sys.argv:\n    open(${JSON.stringify(noted)}, 'w').write(str(os.getpid()))\n    time.sleep(60)\n`,
    );
    const fetching = fetchInAnotherProcess({ PYTHONPATH: folder }, REAL_PYTHON);
    await vi.waitFor(() => expect(readFileSync(noted, 'utf8')).toMatch(/^\d+$/), { timeout: 300_000, interval: 50 });
    const pid = Number(readFileSync(noted, 'utf8'));
    expect(process.kill(pid, 0)).toBe(true);
    fetching.kill('SIGKILL');
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 300_000, interval: 50 });
  });

  it('stops a pip that brings nothing', async () => {
    vi.stubEnv('FAKE_PIP_HANGS_AT', 'tensorflow==1');
    const download = downloadWheel({
      python: fake.python,
      wheel: distribution.wheels[0],
      distribution,
      folder: join(folder, 'download'),
      onBytes: () => undefined,
      stallMs: 1000,
    });
    await expect(download).rejects.toThrow('nothing arrived for 1 s');
  });

  function fetchInAnotherProcess(environment: Record<string, string>, python = fake.python): ChildProcess {
    const script = new URL('../../support/fetch_process.mjs', import.meta.url);
    const request = JSON.stringify({ cacheFolder, distribution, python });
    return fork(script, [request], { env: { ...process.env, ...environment } });
  }

  function answerOf(child: ChildProcess): Promise<unknown> {
    return new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.once('exit', (code) => reject(new Error(`the fetching process ended with ${code} and no answer`)));
    });
  }
});

/** One that ended and that nobody waited for is no longer running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^\S+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}
