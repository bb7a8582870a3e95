import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TENSORFLOW_LIBRARY_NAME } from '../../../src/engine/capi/c_api.js';
import { cacheFolder, ensureTensorFlow, findTensorFlow } from '../../../src/engine/tensorflow/tensorflow_library.js';
import { distributionFor } from '../../../src/engine/tensorflow/wheels.js';

describe('finding TensorFlow', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-library-'));
    vi.stubEnv('TFJS_PARALLEL_TENSORFLOW', '');
    vi.stubEnv('TFJS_PARALLEL_CACHE', join(folder, 'cache'));
    vi.stubEnv('PATH', join(folder, 'bin'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true, force: true });
  });

  function makeLibrary(path: string): string {
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, TENSORFLOW_LIBRARY_NAME), '');
    return path;
  }

  function makeCached(kind: 'cpu' | 'cuda'): string {
    return makeLibrary(join(folder, 'cache', `tensorflow-2.21.0-${kind}-${process.platform}-${process.arch}`, 'tensorflow'));
  }

  function makePythonWith(location: { folder: string; version: string }): void {
    const python = join(folder, 'bin', 'python3');
    mkdirSync(dirname(python), { recursive: true });
    writeFileSync(python, `#!/bin/sh\necho '${JSON.stringify(location)}'\n`);
    chmodSync(python, 0o755);
  }

  it('takes the folder that the user names before all others', () => {
    makeCached('cpu');
    const named = makeLibrary(join(folder, 'mine/tensorflow'));
    vi.stubEnv('TFJS_PARALLEL_TENSORFLOW', named);
    expect(findTensorFlow()).toEqual({ folder: named, version: 'unknown', kind: 'cpu' });
  });

  it('takes a site-packages folder too, and reads version and kind beside it', () => {
    const sitePackages = join(folder, 'site-packages');
    const named = makeLibrary(join(sitePackages, 'tensorflow'));
    mkdirSync(join(sitePackages, 'tensorflow-2.21.3.dist-info'));
    mkdirSync(join(sitePackages, 'nvidia/cudnn'), { recursive: true });
    vi.stubEnv('TFJS_PARALLEL_TENSORFLOW', sitePackages);
    expect(findTensorFlow()).toEqual({ folder: named, version: '2.21.3', kind: 'cuda' });
  });

  it('refuses a named folder without the library', () => {
    vi.stubEnv('TFJS_PARALLEL_TENSORFLOW', folder);
    expect(() => findTensorFlow()).toThrow(`${folder}, which holds no ${TENSORFLOW_LIBRARY_NAME}`);
  });

  it('takes the cache before Python', () => {
    const cached = makeCached('cpu');
    makePythonWith({ folder: makeLibrary(join(folder, 'python/tensorflow')), version: '2.21.0' });
    expect(findTensorFlow({ kind: 'cpu' })).toEqual({ folder: cached, version: '2.21.0', kind: 'cpu' });
  });

  it('lets a cached CUDA build serve a machine without a GPU, not the other way round', async () => {
    const cuda = makeCached('cuda');
    expect((await ensureTensorFlow({ kind: 'cpu' })).folder).toBe(cuda);
    rmSync(join(folder, 'cache'), { recursive: true });
    makeCached('cpu');
    expect(() => findTensorFlow({ kind: 'cuda' })).toThrow();
  });

  it("takes Python's TensorFlow of the supported version", () => {
    const python = makeLibrary(join(folder, 'python/tensorflow'));
    makePythonWith({ folder: python, version: '2.21.1' });
    expect(findTensorFlow({ kind: 'cpu' })).toEqual({ folder: python, version: '2.21.1', kind: 'cpu' });
  });

  it("leaves Python's TensorFlow of another version alone", () => {
    makePythonWith({ folder: makeLibrary(join(folder, 'python/tensorflow')), version: '2.20.0' });
    expect(() => findTensorFlow({ kind: 'cpu' })).toThrow('TensorFlow 2.21.0 is not on this machine yet');
  });

  it('fails with one error when there is neither TensorFlow nor Python', async () => {
    await expect(ensureTensorFlow({ kind: 'cpu', onProgress: () => undefined })).rejects.toMatchObject({
      code: 'PIP_NOT_FOUND',
      exitCode: 3,
    });
  });
});

describe('the cache folder', () => {
  it('is the one named, else in XDG_CACHE_HOME, else in ~/.cache', () => {
    expect(cacheFolder({ TFJS_PARALLEL_CACHE: '/a', XDG_CACHE_HOME: '/b' })).toBe('/a');
    expect(cacheFolder({ XDG_CACHE_HOME: '/b' })).toBe('/b/tfjs-parallel');
    expect(cacheFolder({})).toMatch(/\/\.cache\/tfjs-parallel$/);
  });
});

describe('the wheels for a machine', () => {
  it.each([
    [{ platform: 'linux', arch: 'x64', glibcVersion: '2.36' }, 'cpu', 'tensorflow-cpu==2.21.0', 1],
    [{ platform: 'linux', arch: 'x64', glibcVersion: '2.27' }, 'cuda', 'tensorflow==2.21.0', 13],
    [{ platform: 'linux', arch: 'arm64', glibcVersion: '2.31' }, 'cpu', 'tensorflow==2.21.0', 1],
    [{ platform: 'darwin', arch: 'arm64' }, 'cpu', 'tensorflow==2.21.0', 1],
  ] as const)('for %o, %s, begin with %s and are %i', (machine, kind, first, count) => {
    const { wheels } = distributionFor(machine, kind);
    expect(wheels[0].requirement).toBe(first);
    expect(wheels).toHaveLength(count);
    for (const { requirement, sha256 } of wheels) {
      expect(requirement).toMatch(/^[a-z0-9-]+==[0-9.]+$/);
      expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    }
  });

  it.each([
    [{ platform: 'win32', arch: 'x64' }, 'WSL2'],
    [{ platform: 'darwin', arch: 'x64' }, 'Apple silicon'],
    [{ platform: 'linux', arch: 'x64' }, 'Debian'],
    [{ platform: 'linux', arch: 'x64', glibcVersion: '2.17' }, 'Debian'],
    [{ platform: 'linux', arch: 'riscv64', glibcVersion: '2.36' }, 'Linux on x64'],
  ] as const)('for %o there are none, and the error says what to do: %s', (machine, next) => {
    expect(() => distributionFor(machine, 'cpu')).toThrow(
      expect.objectContaining({ code: 'PLATFORM_UNSUPPORTED', next: expect.stringContaining(next) }) as Error,
    );
  });
});
