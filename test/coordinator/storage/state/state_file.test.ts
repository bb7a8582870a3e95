import { execFileSync } from 'node:child_process';
import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nodeFileSystem } from '../../../../src/coordinator/storage/files/file_system.js';
import { encodeSafetensors } from '../../../../src/coordinator/storage/state/safetensors.js';
import { encodeState } from '../../../../src/coordinator/storage/state/state_content.js';
import { pruneStates, readNewestState, readState, writeState } from '../../../../src/coordinator/storage/state/state_file.js';
import { MemoryDisk, SimulatedCrash } from '../../../support/memory_disk.js';
import { tinyNumerics, tinyState } from '../../../support/run_state.js';
import { numericsSchema } from '../../../../src/coordinator/storage/state/state_schema.js';
import { folderOfTests } from '../../../support/temporary_folder.js';

const folder = '/state';
async function disk(): Promise<MemoryDisk> {
  const made = new MemoryDisk();
  await made.createFolder(folder);
  await made.syncFolder('/');
  return made;
}
const put = async (to: MemoryDisk, path: string, bytes: Uint8Array) => {
  const file = await to.open(path, 'create');
  await file.write(bytes, 0);
  await file.sync();
  await to.syncFolder(folder);
};

const scratch = folderOfTests();

describe('a state file', () => {
  it('gives back every number, name and setting', async () => {
    const state = tinyState();
    const on = await disk();
    const { path, bytes } = await writeState(state, { folder, fileSystem: on });
    expect(basename(path)).toMatch(/^start-0001-step-000000300-[0-9a-f]{64}\.safetensors$/);
    expect(bytes).toBe(on.contents(path).length);
    expect(await readState(path, on)).toEqual(state);
  });

  it('keeps a double to the last bit', async () => {
    const on = await disk();
    const { path } = await writeState(tinyState(), { folder, fileSystem: on });
    expect((await readState(path, on)).progress.totals.loss).toBe(0.30000000000000004);
  });

  it('holds a metric that is NaN, and who was found right by audits until when', async () => {
    const { progress, ...rest } = tinyState({ step: 3 });
    const totals = { ...progress.totals, metrics: progress.totals.metrics.map(() => NaN) };
    const trusted: [string, number][] = [
      ['machine rack-2', 17],
      ['a process', 4],
    ];
    const on = await disk();
    const { path } = await writeState({ ...rest, progress: { ...progress, totals }, trusted }, { folder, fileSystem: on });
    const read = await readState(path, on);
    expect([read.progress.totals, read.trusted]).toEqual([totals, trusted]);
  });

  it('holds a model without optimizer slots', async () => {
    const on = await disk();
    const state = { ...tinyState(), optimizerSlots: [] };
    const { path } = await writeState(state, { folder, fileSystem: on });
    expect((await readState(path, on)).optimizerSlots).toEqual([]);
  });

  it('is not trusted after any truncation or any flip of one bit', async () => {
    const on = await disk();
    const { path } = await writeState(tinyState(), { folder, fileSystem: on });
    const whole = on.contents(path).slice();
    const isTrusted = async (bytes: Uint8Array) => {
      const other = await disk();
      await put(other, path, bytes);
      return (await readNewestState({ folder, fileSystem: other })).state !== null;
    };
    expect(await isTrusted(whole)).toBe(true);
    for (let length = 0; length < whole.length; length++)
      expect(await isTrusted(whole.subarray(0, length)), `${length} bytes`).toBe(false);
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = whole.slice();
      flipped[bit >> 3] ^= 1 << (bit & 7);
      expect(await isTrusted(flipped), `bit ${bit}`).toBe(false);
    }
  });

  it('is refused when its digests are right and its words or tensors are not', async () => {
    const refusal = async (change: (metadata: Map<string, string>) => void, tensor?: Float32Array) => {
      const on = await disk();
      const { path } = await writeState(tinyState(), { folder, fileSystem: on });
      const header = JSON.parse(
        Buffer.from(on.contents(path).subarray(8, 8 + Number(Buffer.from(on.contents(path)).readBigUInt64LE()))).toString(),
      ) as Record<string, { shape: number[] }>;
      const { __metadata__: words, ...stored } = header as unknown as { __metadata__: Record<string, string> } & Record<
        string,
        { shape: number[] }
      >;
      const metadata = new Map(Object.entries(words as Record<string, string>).filter(([key]) => !key.endsWith('_sha256')));
      change(metadata);
      const tensors = Object.entries(stored).map(([name, { shape }]) => {
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
        return {
          name,
          dtype: 'F32' as const,
          shape,
          values: tensor !== undefined && tensor.length === values.length ? tensor : values,
        };
      });
      await put(on, '/state/forged.safetensors', Buffer.concat(await encodeSafetensors(tensors, metadata)));
      return readState('/state/forged.safetensors', on).then(
        () => 'accepted',
        (error: Error) => error.message,
      );
    };
    expect(await refusal(() => undefined)).toBe('accepted');
    // A state of before these were kept: of arithmetic 0, which no program has any more.
    const { oneDnn: _, oneDnnIsa: __, arithmetic: ___, probe: ____, ...older } = tinyNumerics;
    expect(await refusal((words) => words.set('numerics', JSON.stringify(older)))).toBe('accepted');
    expect(numericsSchema.parse(older)).toEqual({ ...older, oneDnn: 'unknown', oneDnnIsa: '', arithmetic: 0, probe: '' });
    expect(await refusal((words) => words.set('format', 'pt'))).toBe('it is not a state of a run');
    expect(await refusal((words) => words.set('version', '3'))).toBe('its version is 3, this program reads 1 and 2');
    // The version before this one, which knew accuracy alone, is read.
    const { totals: _totals, best: _best, ...place } = tinyState().progress;
    const first = { ...place, epochLossSum: 1.5, epochCorrect: 7, epochExamples: 9, best: { epoch: 1, valAcc: 0.5 } };
    const asFirst = (words: Map<string, string>): void => {
      words.set('version', '1');
      words.set('progress', JSON.stringify(first));
      for (const later of ['sections', 'objective']) words.delete(later);
    };
    expect(await refusal(asFirst)).toBe('accepted');
    const sections = (change: Record<string, number>) => (words: Map<string, string>) => {
      const own = JSON.parse(words.get('sections') ?? '') as Record<string, number>;
      words.set('sections', JSON.stringify({ ...own, ...change }));
    };
    expect(await refusal(sections({ progress: 3 }))).toBe('its section progress is of version 3, this program reads 2');
    expect(await refusal(sections({ audits: 1 }))).toBe(
      'its section audits is of version 1, this program knows none of that name',
    );
    const twoTotals = JSON.stringify({ ...tinyState().progress, totals: { examples: 9, loss: 1, metrics: [7, 8] } });
    expect(await refusal((words) => words.set('progress', twoTotals))).toBe('metadata progress.totals: not one for each metric');
    expect(await refusal((words) => words.set('progress', '{"step":-1}'))).toContain('metadata progress.step');
    expect(await refusal((words) => words.delete('numerics'))).toBe('metadata numerics is missing or not JSON');
    expect(await refusal((words) => words.set('config', '{"batch":"many"}'))).toContain('metadata config.batch');
    expect(await refusal((words) => words.set('run', '{"seed":0,"shards":2,"coordinatorEpoch":1,"optimizerSlots":[]}'))).toBe(
      '6 tensors where 4 belong',
    );
    expect(
      await refusal((words) => words.set('run', '{"seed":0,"shards":2,"coordinatorEpoch":1,"optimizerSlots":["mean"]}')),
    ).toBe('tensor optimizer/mean/dense/kernel is missing');
    const model = (words: Map<string, string>) => JSON.parse(words.get('model') ?? '') as Record<string, unknown>;
    expect(await refusal((words) => words.set('model', JSON.stringify({ ...model(words), trainedSlots: 5 })))).toBe(
      'metadata model: 5 trained weights of 4',
    );
    expect(
      await refusal((words) => words.set('model', JSON.stringify({ ...model(words), statistics: [{ slot: 9, momentum: 0.9 }] }))),
    ).toBe('metadata model: no statistic at 9');
    expect(await refusal(() => undefined, Float32Array.of(0, 0, 0, NaN, 0, 0))).toBe('parameters/dense/kernel is not finite');
  });

  it('is read by the safetensors library for Python', async (context) => {
    const python = process.env.TFJS_PARALLEL_PYTHON ?? 'python3';
    try {
      execFileSync(python, ['-c', 'import safetensors.numpy'], { stdio: 'ignore' });
    } catch {
      context.skip(
        'python3 has no safetensors with numpy (pip install safetensors numpy; TFJS_PARALLEL_PYTHON names another python)',
      );
    }
    const { path } = await writeState(tinyState(), { folder: scratch, fileSystem: nodeFileSystem });
    const program = `
import sys
from safetensors import safe_open
with safe_open(sys.argv[1], framework="numpy") as f:
    print(f.metadata()["format"])
    for name in f.keys():
        print(name, f.get_tensor(name).tolist())
`;
    const lines = execFileSync(python, ['-c', program, path]).toString().trim().split('\n').sort();
    expect(lines).toEqual([
      'optimizer/velocity/dense/bias [3.0, 3.5]',
      'optimizer/velocity/dense/kernel [[0.0, 0.5], [1.0, 1.5], [2.0, 2.5]]',
      'parameters/batch_norm/moving_mean [308.0, 309.0]',
      'parameters/batch_norm/moving_variance [310.0, 311.0]',
      'parameters/dense/bias [306.0, 307.0]',
      'parameters/dense/kernel [[300.0, 301.0], [302.0, 303.0], [304.0, 305.0]]',
      'tfjs-parallel-state',
    ]);
  });
});

describe('the state folder', () => {
  it('gives the newest state that verifies and names the newer ones that do not, and why', async () => {
    const on = await disk();
    const paths = [];
    for (const step of [100, 200, 300]) paths.push((await writeState(tinyState({ step }), { folder, fileSystem: on })).path);
    on.contents(paths[2])[on.contents(paths[2]).length - 1] ^= 1;
    await put(on, '/state/copy of a state.safetensors', new Uint8Array(3));
    await put(on, '/state/.tmp-1-0123456789ab', new Uint8Array(3));
    const { state, path, rejected } = await readNewestState({ folder, fileSystem: on });
    expect(state?.progress.step).toBe(200);
    expect(path).toBe(paths[1]);
    expect(rejected.map((entry) => entry.path)).toEqual(['/state/copy of a state.safetensors', paths[2]]);
    expect(rejected[0].reason).toBe('its name is not one that a run gives');
    expect(rejected[1].reason).toMatch(/^tensors hash to [0-9a-f]{12}…, the header says [0-9a-f]{12}…$/);
  });

  it('is empty for a run that saved nothing', async () => {
    expect(await readNewestState({ folder, fileSystem: await disk() })).toEqual({ state: null, path: null, rejected: [] });
  });

  it('prefers what a later start wrote, because the metrics file was cut for it', async () => {
    const on = await disk();
    await writeState(tinyState({ step: 300, coordinatorEpoch: 1 }), { folder, fileSystem: on });
    await writeState(tinyState({ step: 250, coordinatorEpoch: 2 }), { folder, fileSystem: on });
    expect((await readNewestState({ folder, fileSystem: on })).state?.progress.step).toBe(250);
  });

  it('rejects a file that the disk cannot read and goes on with the one before', async () => {
    const on = await disk();
    await writeState(tinyState({ step: 100 }), { folder, fileSystem: on });
    const { path } = await writeState(tinyState({ step: 200 }), { folder, fileSystem: on });
    on.failWith = (call, where) => (call === 'read' && where === path ? 'EIO' : null);
    const newest = await readNewestState({ folder, fileSystem: on });
    expect(newest.state?.progress.step).toBe(100);
    expect(newest.rejected[0].reason).toContain('EIO');
  });

  it('keeps the newest N', async () => {
    const on = await disk();
    for (const step of [100, 200, 300, 400]) await writeState(tinyState({ step }), { folder, fileSystem: on });
    expect(await pruneStates({ folder, fileSystem: on }, 3)).toHaveLength(1);
    expect(on.names(folder).map((name) => Number(/step-(\d+)/.exec(name)?.[1]))).toEqual([200, 300, 400]);
    expect(await pruneStates({ folder, fileSystem: on }, 1)).toHaveLength(2);
    expect(on.names(folder).map((name) => Number(/step-(\d+)/.exec(name)?.[1]))).toEqual([400]);
  });

  it('holds a trusted state whichever two file-system calls a power cut falls between, and whatever the disk had taken of the rest', async () => {
    const attempt = async (crashAtCall: number, keepNames: (unsynced: number) => number, keepBytes: 'none' | 'half' | 'all') => {
      const on = await disk();
      await writeState(tinyState({ step: 100 }), { folder, fileSystem: on });
      const start = on.calls;
      on.crashAtCall = start + crashAtCall;
      let finished = true;
      try {
        await writeState(tinyState({ step: 200 }), { folder, fileSystem: on });
        await pruneStates({ folder, fileSystem: on }, 1);
      } catch (error) {
        if (!(error instanceof SimulatedCrash)) throw error;
        finished = false;
      }
      on.crashAtCall = Infinity;
      on.afterCrash({ keepNames: keepNames(on.unsyncedNames), keepBytes });
      const { state } = await readNewestState({ folder, fileSystem: on });
      return { finished, step: state?.progress.step ?? null };
    };
    const steps = new Set<number | null>();
    let calls = 0;
    for (let finished = false; !finished;) {
      calls++;
      for (const keepBytes of ['none', 'half', 'all'] as const) {
        for (const keepNames of [() => 0, (unsynced: number) => Math.floor(unsynced / 2), (unsynced: number) => unsynced]) {
          const outcome = await attempt(calls, keepNames, keepBytes);
          finished = outcome.finished;
          steps.add(outcome.step);
          if (finished) expect(outcome.step).toBe(200);
        }
      }
    }
    expect([...steps].sort()).toEqual([100, 200]);
    // open, one write each of length, header and 6 tensors, sync, close, rename, syncFolder, list, removeFile: and one more than those is the end.
    expect(calls).toBe(16);
  });

  it('holds what it held when any one call fails, and no temporary file', async () => {
    for (const code of ['ENOSPC', 'EIO', 'EROFS', 'EACCES']) {
      for (let nth = 1; nth <= 12; nth++) {
        const on = await disk();
        await writeState(tinyState({ step: 100 }), { folder, fileSystem: on });
        const failing = on.calls + nth;
        on.failWith = (_call, _path, call) => (call === failing ? code : null);
        await expect(writeState(tinyState({ step: 200 }), { folder, fileSystem: on })).rejects.toMatchObject({ code });
        on.failWith = () => null;
        expect(on.names(folder)).toHaveLength(1);
        expect((await readNewestState({ folder, fileSystem: on })).state?.progress.step).toBe(100);
      }
    }
  });

  it('does not take a short write on a full disk for a whole one', async () => {
    const on = await disk();
    const { bytes } = await writeState(tinyState({ step: 100 }), { folder, fileSystem: on });
    for (const missing of [1, 40, bytes - 1]) {
      on.capacityBytes = 2 * bytes - missing;
      await expect(writeState(tinyState({ step: 200 }), { folder, fileSystem: on })).rejects.toMatchObject({ code: 'ENOSPC' });
      expect(on.names(folder)).toHaveLength(1);
    }
    on.capacityBytes = 2 * bytes;
    await writeState(tinyState({ step: 200 }), { folder, fileSystem: on });
    expect((await readNewestState({ folder, fileSystem: on })).state?.progress.step).toBe(200);
  });
});

it('the encoded parts are views, not copies, of the tensors', async () => {
  const state = tinyState();
  const parts = await encodeState(state);
  expect(parts[2].buffer).toBe(state.parameters.buffer);
});
