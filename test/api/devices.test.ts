/**
 * Owns: which devices a run's replicas go on, with the machine's GPUs given; and how GPUs are found, with a made-up nvidia-smi.
 */
import { chmod } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { availableParallelism } from 'node:os';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { availableCores } from '../../src/system/cores.js';
import { chooseDevices } from '../../src/common/device_choice.js';
import { EXIT, ExpectedError } from '../../src/common/errors.js';
import { mostCpuReplicas, placedFor, placeOnNamedDevices, placeReplicas } from '../../src/api/devices.js';
import { findGpus, type GpuSearch } from '../../src/engine/tensorflow/gpus.js';
import { temporaryFolder } from '../support/temporary_folder.js';

const TWO: GpuSearch = {
  gpus: [
    { index: 0, model: 'NVIDIA H100 80GB HBM3' },
    { index: 1, model: 'NVIDIA A10' },
  ],
  reason: '',
};
const NONE: GpuSearch = { gpus: [], reason: 'nvidia-smi is not installed, so there is no NVIDIA driver' };

/** Names and devices of the replicas that the flags give, or the refusal. */
function placed(flags: { gpus?: string; workers?: number }, search: GpuSearch | null): string[] {
  const look = () => {
    if (search === null) throw new Error('nobody asked for GPUs');
    return search;
  };
  try {
    const { replicas, notice } = placeReplicas(chooseDevices({ gpus: null, workers: null, ...flags }), 1, look);
    return [...replicas.map(({ name, device }) => `${name} on ${device}`), ...(notice === '' ? [] : [notice])];
  } catch (error) {
    if (!(error instanceof ExpectedError)) throw error;
    return [`exit ${error.exitCode} ${error.code}: ${error.message} | ${error.next}`];
  }
}

describe('replicas are placed', () => {
  it('on all GPUs without flags, or on the processor after one line that says why', () => {
    expect(placed({}, TWO)).toEqual(['gpu(0) on GPU:0', 'gpu(1) on GPU:1']);
    expect(placed({}, NONE)).toEqual([
      'cpu(0) on CPU:0',
      'no GPU (nvidia-smi is not installed, so there is no NVIDIA driver): training on the CPU',
    ]);
  });

  it('on the GPUs that are named, in that order', () => {
    expect(placed({ gpus: '1,0' }, TWO)).toEqual(['gpu(1) on GPU:1', 'gpu(0) on GPU:0']);
    expect(placed({ gpus: '0-1' }, TWO)).toEqual(['gpu(0) on GPU:0', 'gpu(1) on GPU:1']);
    expect(placed({ gpus: 'all' }, TWO)).toEqual(['gpu(0) on GPU:0', 'gpu(1) on GPU:1']);
  });

  it('on the processor without looking for GPUs where no GPU is wanted', () => {
    expect(placed({ gpus: 'none' }, null)).toEqual(['cpu(0) on CPU:0']);
    expect(placed({ workers: 3 }, null)).toEqual(['cpu(0) on CPU:0', 'cpu(1) on CPU:0', 'cpu(2) on CPU:0']);
  });

  it('nowhere where a GPU was asked for and is not there: exit code 3, never a silent fallback', () => {
    expect(placed({ gpus: '7' }, TWO)).toEqual([
      'exit 3 GPU_INDEX: there is no GPU 7; this machine has 0 (NVIDIA H100 80GB HBM3), 1 (NVIDIA A10) | ' +
        'name GPUs that exist with --gpus (indices count within CUDA_VISIBLE_DEVICES), or use --gpus all',
    ]);
    for (const gpus of ['0', 'all', '0-3'])
      expect(placed({ gpus }, NONE)).toEqual([
        'exit 3 GPU_NOT_FOUND: a GPU was asked for and none was found: nvidia-smi is not installed, so there is no NVIDIA driver | ' +
          'check the driver with nvidia-smi, or train on the CPU with --gpus none --workers 2',
      ]);
    expect(EXIT.environment).toBe(3);
  });

  it("with the machine's cores divided among them, at least one each", () => {
    const threads = (workers: number, given: number | null) =>
      placeReplicas({ kind: 'cpu', replicas: workers }, given, () => NONE).intraOpThreads;
    expect(threads(1, null)).toBe(availableParallelism());
    expect(threads(mostCpuReplicas(), null)).toBe(1);
    expect(threads(2, 7)).toBe(7);
  });

  it('with fewer for a model that the caller holds and that keeps fewer busy, unless they were asked for', () => {
    const small = { multiplyAdds: 1 };
    const placement = { ...placeReplicas({ kind: 'cpu', replicas: 1 }, null, () => NONE), intraOpThreads: 8, mostThreads: 8 };
    expect(placedFor(placement, small, 32)).toMatchObject({ intraOpThreads: 1, mostThreads: 8, threadsBy: 'model' });
    expect(placedFor(placement, { multiplyAdds: null }, 32).intraOpThreads).toBe(8);
    expect(
      placedFor(
        placeReplicas({ kind: 'cpu', replicas: 1 }, 7, () => NONE),
        small,
        32,
      ).intraOpThreads,
    ).toBe(7);
    expect(placedFor({ ...placement, replicas: [{ name: 'gpu(0)', device: 'GPU:0' }] }, small, 32).intraOpThreads).toBe(8);
  });
});

describe('far more replicas on the processor than it has cores', () => {
  const most = mostCpuReplicas();
  const cores = availableCores();
  const refusal = (asked: number): string =>
    `${asked} replicas on the CPU were asked for, and this process may use ${cores === 1 ? '1 core' : `${cores} cores`}: at most ${most} are opened`;

  it('are 8 for each core, and 32 on any machine', () => {
    expect([1, 2, 4, 64].map(mostCpuReplicas)).toEqual([32, 32, 32, 512]);
    expect(placed({ workers: most }, null)).toHaveLength(most);
  });

  it('are refused with what to ask for, by flag or by name', () => {
    expect(placed({ workers: most + 1 }, null)).toEqual([
      `exit 3 TOO_MANY_CPU_REPLICAS: ${refusal(most + 1)} | Give --workers ${cores}; where the result is to be that of ${most + 1} shards, ` +
        `--shards ${most + 1} beside it gives the same bits with any number of workers.`,
    ]);
    expect(() => placeOnNamedDevices(Array<string>(most + 1).fill('CPU:0'), 1)).toThrow(refusal(most + 1));
  });
});

describe('devices named by the library call', () => {
  it('are those of TensorFlow; several on one device have names of their own', () => {
    const { replicas, logicalCpuDevices } = placeOnNamedDevices(['CPU:0', '/cpu:1', 'CPU:1'], 1);
    expect(replicas).toEqual([
      { name: 'cpu(0)', device: 'CPU:0' },
      { name: 'cpu(1)', device: 'CPU:1' },
      { name: 'cpu(1)#2', device: 'CPU:1' },
    ]);
    expect(logicalCpuDevices).toBe(2);
    expect(placeOnNamedDevices(['GPU:3'], 1)).toMatchObject({
      replicas: [{ name: 'gpu(3)', device: 'GPU:3' }],
      logicalCpuDevices: 1,
    });
  });

  it.each([['gpu'], ['TPU:0'], ['GPU:-1'], ['0'], [''], ['GPU:1 ']])('cannot be %j', (device) => {
    expect(() => placeOnNamedDevices([device], 1)).toThrow(`no device can be named "${device}"`);
  });

  it('cannot be none at all', () => {
    expect(() => placeOnNamedDevices([], null)).toThrow('the list of devices is empty');
  });
});

describe('GPUs are found', () => {
  afterEach(() => vi.unstubAllEnvs());

  const LISTING = [
    'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aa11-0)',
    'GPU 1: NVIDIA A10 (UUID: GPU-bb22-1)',
    'GPU 2: NVIDIA A10 (UUID: GPU-dd44-2)',
  ];

  /** Puts an nvidia-smi that runs `script` first on the PATH. */
  async function nvidiaSmi(script: string): Promise<void> {
    const folder = await temporaryFolder({ 'nvidia-smi': `#!/bin/sh\n${script}\n` });
    await chmod(join(folder, 'nvidia-smi'), 0o755);
    vi.stubEnv('PATH', `${folder}${delimiter}/usr/bin${delimiter}/bin`);
  }
  const list = () => nvidiaSmi(`[ "$1" = -L ] || exit 9\ncat <<'END'\n${LISTING.join('\n')}\nEND`);
  const models = ({ gpus }: GpuSearch) => gpus.map(({ index, model }) => `${index} ${model}`);

  it("as the driver's tool lists them", async () => {
    await list();
    expect(findGpus({})).toEqual({
      gpus: [
        { index: 0, model: 'NVIDIA H100 80GB HBM3', uuid: 'GPU-aa11-0' },
        { index: 1, model: 'NVIDIA A10', uuid: 'GPU-bb22-1' },
        { index: 2, model: 'NVIDIA A10', uuid: 'GPU-dd44-2' },
      ],
      reason: '',
    });
  });

  it('within CUDA_VISIBLE_DEVICES, by its own rule: in its order, by number or UUID, up to the first that is wrong', async () => {
    await list();
    expect(models(findGpus({ CUDA_VISIBLE_DEVICES: '2,0' }))).toEqual(['0 NVIDIA A10', '1 NVIDIA H100 80GB HBM3']);
    expect(models(findGpus({ CUDA_VISIBLE_DEVICES: 'GPU-bb, 0' }))).toEqual(['0 NVIDIA A10', '1 NVIDIA H100 80GB HBM3']);
    expect(models(findGpus({ CUDA_VISIBLE_DEVICES: '1,9,0' }))).toEqual(['0 NVIDIA A10']);
    expect(models(findGpus({ CUDA_VISIBLE_DEVICES: '0,0,1' }))).toEqual(['0 NVIDIA H100 80GB HBM3']);
    for (const hidden of ['', '-1', '9', 'NoDevFiles', 'GPU-', 'GPU-bb22-12', 'MIG-aa11'])
      expect(findGpus({ CUDA_VISIBLE_DEVICES: hidden })).toEqual({
        gpus: [],
        reason: `CUDA_VISIBLE_DEVICES is "${hidden}", which names none of 0 (GPU-aa11-0), 1 (GPU-bb22-1), 2 (GPU-dd44-2)`,
      });
  });

  describe('that are cut into slices (MIG)', () => {
    const CUT = [
      'GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)',
      '  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)',
      '  MIG 3g.20gb     Device  1: (UUID: MIG-0a42adf8-3c60-5b5a-9d9e-0d0c0a1f6a11)',
      'GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5b0000-d33d-2b2c-524d-9e3d8d2b8a77)',
    ];
    const SLICE = '0 NVIDIA A100-SXM4-40GB MIG 3g.20gb';
    const WHOLE = '0 NVIDIA A100-SXM4-40GB';
    const show = (text: string) => nvidiaSmi(`cat <<'END'\n${text}\nEND`);

    it.each([
      ['by its UUID', 'MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f', [SLICE]],
      ['by the beginning of its UUID', 'MIG-0a42', [SLICE]],
      ['by card, instance and compute instance', 'MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/1/0', [SLICE]],
      ['by the beginning of its card, of which a process sees one slice', 'GPU-5d5ba0', [SLICE]],
      ["by its card's number", '0', [SLICE]],
      ['as one of two, of which CUDA gives a process the first alone', 'MIG-c6d4,MIG-0a42', [SLICE]],
      ['as the card beside it, which is whole', 'GPU-5d5b00', [WHOLE]],
      ['not by a beginning that both cards have', 'GPU-5d5b', []],
      ['not by a card that is not cut', 'MIG-GPU-5d5b0000-d33d-2b2c-524d-9e3d8d2b8a77/1/0', []],
    ])('%s', async (_, visible, found) => {
      await show(CUT.join('\n'));
      expect(models(findGpus({ CUDA_VISIBLE_DEVICES: visible }))).toEqual(found);
    });

    it('as the only device where nothing is hidden: CUDA shows no other beside a slice', async () => {
      await show(CUT.join('\n'));
      expect(models(findGpus({}))).toEqual([SLICE]);
    });

    it('as drivers before R470 list them', async () => {
      const old = CUT[1].replace(/MIG-c6.*\)/, 'MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/7/0)');
      await show([CUT[0], old].join('\n'));
      const named = 'MIG-GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77/7/0';
      expect(models(findGpus({ CUDA_VISIBLE_DEVICES: named }))).toEqual([SLICE]);
    });
  });

  it('or the reason why there is none: no tool, a tool that fails, an empty list', async () => {
    vi.stubEnv('PATH', await temporaryFolder());
    expect(findGpus({})).toEqual(NONE);
    await nvidiaSmi('echo "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver." >&2; exit 9');
    expect(findGpus({}).reason).toBe(
      'nvidia-smi failed: NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.',
    );
    await nvidiaSmi('echo "No devices found."');
    expect(findGpus({})).toEqual({ gpus: [], reason: 'nvidia-smi lists no GPU' });
  });
});
