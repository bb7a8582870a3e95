/**
 * Owns: what each check of `doctor` finds on machines that are as they should be, and on those that are not.
 */
import { describe, expect, it } from 'vitest';
import type { Command } from 'commander';
import { benchCommand } from '../../src/cli/commands/bench.js';
import { doctorCommand } from '../../src/cli/commands/doctor.js';
import type { CommandContext } from '../../src/cli/context.js';
import { createProgram } from '../../src/cli/program.js';
import { EnvironmentError } from '../../src/common/errors.js';
import type { Check } from '../../src/doctor/check.js';
import { examine } from '../../src/doctor/examine.js';
import { CHECKS } from '../../src/doctor/table.js';
import { adviceInSources } from '../support/advice/sources.js';
import { captureStream } from '../support/capture_stream.js';
import { COMPUTED, machineOf, noTensorFlow, type MachineChanges } from '../support/machine_facts.js';

const GB = 1e9;
const only = (name: string): Check[] => CHECKS.filter((check) => check.name === name);
const find = (name: string, changes: MachineChanges = {}) =>
  examine(only(name), { machine: machineOf(changes), coordinator: null });

/** `status name: found` for all but what is well. */
async function wrong(name: string, changes: MachineChanges): Promise<string[]> {
  const found = await find(name, changes);
  return found.filter(({ status }) => status !== 'ok').map(({ status, name: of, found: what }) => `${status} ${of}: ${what}`);
}

it('finds nothing wrong with a healthy machine, and says what it is', async () => {
  const found = await examine(CHECKS, { machine: machineOf(), coordinator: null });
  expect(found.map(({ status, name, found: what }) => `${status} ${name}: ${what}`)).toMatchInlineSnapshot(`
    [
      "ok system: Debian GNU/Linux 13 (trixie) on x64, glibc 2.41",
      "ok node: Node 22.21.0",
      "ok tensorflow: 2.21.0, CPU build, from our cache: /home/u/.cache/tfjs-parallel/tensorflow-2.21.0-cpu-linux-x64/tensorflow",
      "ok python: Python 3.13.5 with pip",
      "ok cache: /home/u/.cache/tfjs-parallel, 50 GB free",
      "ok processor: A Processor, 2 threads, x64 avx2+fma+avx512f+avx512_vnni+avx512_bf16",
      "ok onednn: on in float32, as TensorFlow has it with instructions for neural networks",
      "ok resources: all 2 cores, 8.0 GB memory",
      "ok ulimits: 20000 open files, addresses unlimited",
      "ok clock: 2026-11-28T00:00:00Z, from tsc",
      "ok ports: a coordinator can listen at 127.0.0.1:29500",
      "ok gpus: none: nvidia-smi is not installed, so there is no NVIDIA driver",
      "ok on cpu(0): 96 GFLOP/s with 2 threads, 50 with one; TensorFlow 2.21.0 was open after 0.9 s, oneDNN on",
    ]
  `);
});

it('every problem says what to do, as a sentence, and every name fits its column', async () => {
  const broken: MachineChanges = {
    platform: { platform: 'linux', arch: 'x64', glibcVersion: undefined },
    nodeVersion: '18.20.0',
    memoryBytes: GB,
    load: 30,
    nowMs: () => 0,
    files: {
      '/proc/cpuinfo': 'model name\t: Old\nflags\t\t: fpu sse2\n',
      '/proc/self/limits':
        'Max address space         1000000000           1000000000           bytes\nMax open files            100  100 files\n',
      '/sys/fs/cgroup/pids.max': '64\n',
    },
    folder: () => ({ exists: true, writable: false, freeBytes: 0 }),
    temporaryFolderProblem: () => Promise.resolve('the temporary folder /tmp does not exist'),
    whyNotListen: () => Promise.resolve('another process listens there'),
    gpus: () => ({ gpus: [], reason: 'nvidia-smi failed: Driver/library version mismatch' }),
    tensorflow: noTensorFlow,
    whyNoPip: () => 'No module named pip',
  };
  const found = await examine(CHECKS, { machine: machineOf(broken), coordinator: null });
  const problems = found.filter(({ status }) => status === 'problem');
  expect(problems.map(({ name }) => name)).toEqual([
    'system',
    'node',
    'tensorflow',
    'python',
    'cache',
    'processor',
    'resources',
    'resources',
    'ulimits',
    'ulimits',
    'clock',
  ]);
  for (const { next } of problems) expect(next).toMatch(/^[A-Z].+[.)]$/s);
  for (const { name } of found) expect(name.length).toBeLessThanOrEqual(11);
});

it('commands of ours in what is advised are the program’s', async () => {
  const context = {
    environment: {},
    stdout: captureStream(),
    finish: () => undefined,
    warn: () => undefined,
  } as unknown as CommandContext;
  const run: string[] = [];
  const commands = (): Command[] => [
    benchCommand(context, () =>
      Promise.resolve(({ steps, threadsPerWorker }) => Promise.reject(new Error(`${steps} ${threadsPerWorker}`))),
    ),
    doctorCommand(context, () => Promise.reject(new Error('doctor'))),
  ];
  const advice = adviceInSources().filter(({ file }) => file.startsWith('src/doctor/'));
  for (const { text } of advice)
    for (const [, line] of text.matchAll(/`(?:npx )?tfjs-parallel ([^`]+)`/g)) {
      const args = line.replace(/\bN\b/, '2').split(' ');
      const outcome = await createProgram(context, commands())
        .parseAsync(args, { from: 'user' })
        .catch((error: Error) => error.message);
      run.push(`${line}: ${String(outcome)}`);
    }
  expect(run.sort()).toEqual([
    'bench --steps 1 --gpus none: 1 null',
    'bench --threads-per-worker N: 50 2',
    'bench: 50 null',
    'doctor: doctor',
  ]);
});

it('a check that breaks is a finding, and the others are made', async () => {
  const machine = machineOf({ cacheFolder: () => Promise.reject(new Error('EIO: i/o error')) });
  const found = await examine([...only('cache'), ...only('clock')], { machine, coordinator: null });
  expect(found.map(({ status, name, found: what }) => [status, name, what])).toEqual([
    ['note', 'cache', 'could not be checked: EIO: i/o error'],
    ['ok', 'clock', '2026-11-28T00:00:00Z, from tsc'],
  ]);
});

describe('Node, TensorFlow and Python', () => {
  it.each<[string, MachineChanges, string[]]>([
    ['node', { nodeVersion: '20.18.1' }, ['problem node: Node 20.18.1, and 20.19 or newer is needed']],
    ['node', { nodeVersion: '25.0.0' }, ['note node: Node 25.0.0']],
    [
      'node',
      { environment: { NODE_OPTIONS: '--max-old-space-size=512' } },
      ['note node: NODE_OPTIONS is --max-old-space-size=512'],
    ],
    [
      'node',
      {
        requireTfjs: () =>
          Promise.reject(new EnvironmentError({ code: 'TFJS_MISSING', message: 'no tfjs', next: 'Install it.' })),
      },
      ['problem tfjs: no tfjs'],
    ],
    ['system', { platform: { platform: 'win32', arch: 'x64' } }, ['problem system: Debian GNU/Linux 13 (trixie) on x64']],
    ['tensorflow', { tensorflow: noTensorFlow }, ['note tensorflow: TensorFlow 2.21.0 is not here yet']],
    [
      'tensorflow',
      { gpus: () => ({ gpus: [{ index: 0, model: 'H100' }], reason: '' }) },
      [
        'problem tensorflow: 2.21.0, CPU build, from our cache: /home/u/.cache/tfjs-parallel/tensorflow-2.21.0-cpu-linux-x64/tensorflow',
      ],
    ],
    [
      'tensorflow',
      { tensorflow: noTensorFlow, environment: { TFJS_PARALLEL_TENSORFLOW: '/nowhere' } },
      ['problem tensorflow: TensorFlow is not on this machine yet'],
    ],
    ['python', { whyNoPip: () => 'No module named pip' }, []],
    ['python', { whyNoPip: () => 'No module named pip', tensorflow: noTensorFlow }, ['problem python: No module named pip']],
  ])('%s: %o', async (name, changes, expected) => {
    expect(await wrong(name, changes)).toEqual(expected);
  });

  it('a fetch for GPUs is told with its size', async () => {
    const [{ means }] = await find('tensorflow', {
      tensorflow: noTensorFlow,
      gpus: () => ({ gpus: [{ index: 0, model: 'H100' }], reason: '' }),
    });
    expect(means).toBe('The first command that needs it fetches 3.4 GB with pip, once (5.3 GB unpacked).');
  });
});

describe('cache, clock, ports and limits', () => {
  const cacheMount = (options: string, type = 'ext4') => ({
    files: { '/proc/self/mounts': `overlay / overlay rw 0 0\n/dev/sdb /home ${type} ${options} 0 0\n` },
  });

  it.each<[string, MachineChanges, string[]]>([
    [
      'cache',
      { folder: () => ({ exists: false, writable: false, freeBytes: GB }) },
      ['note cache: /home/u/.cache/tfjs-parallel cannot be made'],
    ],
    [
      'cache',
      { folder: () => ({ exists: true, writable: true, freeBytes: 0.9 * GB }), tensorflow: noTensorFlow },
      ['problem cache: /home/u/.cache/tfjs-parallel, 900 MB free'],
    ],
    [
      'cache',
      cacheMount('rw,nosuid,noexec'),
      ['problem cache: /home/u/.cache/tfjs-parallel, 50 GB free, on a disk that may not run programs (noexec)'],
    ],
    ['cache', cacheMount('rw', 'nfs4'), ['note cache: /home/u/.cache/tfjs-parallel, 50 GB free, over the network (nfs4)']],
    ['clock', { nowMs: () => Date.UTC(1970, 0, 2) }, ['problem clock: 1970-01-02T00:00:00Z, from tsc']],
    [
      'clock',
      { files: { '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'acpi_pm\n' } },
      ['note clock: 2026-11-28T00:00:00Z, from acpi_pm'],
    ],
    [
      'ports',
      { whyNotListen: () => Promise.resolve('another process listens there') },
      ['note ports: no coordinator can listen at 127.0.0.1:29500: another process listens there'],
    ],
    ['ulimits', { files: { '/proc/self/limits': 'Max open files            1024  4096  files\n' } }, []],
    [
      'ulimits',
      { files: { '/proc/self/limits': 'Max open files            512  4096  files\n' } },
      ['note ulimits: at most 512 files may be open (ulimit -n)'],
    ],
    [
      'ulimits',
      { files: { '/proc/self/limits': 'Max address space         4000000000  4000000000 bytes\n' } },
      ['problem ulimits: addresses are limited to 4.0 GB (ulimit -v)'],
    ],
    [
      'ulimits',
      { files: { '/proc/self/limits': 'Max cpu time              3600  unlimited seconds\n' } },
      ['note ulimits: a process may compute for 3600 s (ulimit -t)'],
    ],
    [
      'ulimits',
      { temporaryFolderProblem: () => Promise.resolve('the temporary folder /t does not exist') },
      ['note temporary: the temporary folder /t does not exist'],
    ],
  ])('%s: %o', async (name, changes, expected) => {
    expect(await wrong(name, changes)).toEqual(expected);
  });
});

describe('what a container gives', () => {
  const group = (files: Record<string, string>): MachineChanges => ({
    files: {
      '/proc/self/cgroup': '0::/a.slice/b\n',
      ...Object.fromEntries(Object.entries(files).map(([name, text]) => [`/sys/fs/cgroup/a.slice/b/${name}`, text])),
    },
  });

  it('is told with where it is, and what the machine has', async () => {
    const changes = {
      ...group({ 'cpu.max': '150000 100000\n', 'memory.max': `${4 * GB}\n` }),
      environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1' },
    };
    const [{ status, found, figures }] = await find('resources', changes);
    expect([status, found]).toEqual(['ok', 'in kubernetes: 1.5 cores of 2, 4.0 GB of 8.0 GB memory']);
    expect(figures).toMatchObject({ cores: 1.5, memory_bytes: 4 * GB, kind: 'kubernetes' });
  });

  it.each<[string, MachineChanges, string[]]>([
    ['too little memory', group({ 'memory.max': `${GB}\n` }), ['problem resources: all 2 cores, 1.0 GB of 8.0 GB memory']],
    ['less than a core', group({ 'cpu.max': '50000 100000\n' }), ['note resources: a quota of 0.50 cores']],
    [
      'being stopped',
      group({ 'cpu.stat': 'usage_usec 1\nnr_periods 100\nnr_throttled 40\n' }),
      ['note resources: stopped in 40 % of its periods for its quota of cores'],
    ],
    [
      'processes that were ended',
      group({ 'memory.events': 'low 0\noom 3\noom_kill 2\n' }),
      ['note resources: 2 processes of this group ended for memory before'],
    ],
    ['few threads', group({ 'pids.max': '100\n' }), ['problem resources: at most 100 threads and processes (pids.max)']],
  ])('%s', async (_, changes, expected) => {
    expect(await wrong('resources', changes)).toEqual(expected);
  });
});

describe('the processor', () => {
  const flags = (text: string) => ({ '/proc/cpuinfo': `model name\t: P\nflags\t\t: ${text}\n` });

  it.each<[string, MachineChanges, string[]]>([
    ['processor', { files: flags('fpu sse4_1') }, ['problem processor: P, 2 threads, x64']],
    ['processor', { files: flags('avx') }, ['note processor: P, 2 threads, x64']],
    ['processor', { load: 1.5 }, ['note processor: load 1.5 on 2 threads']],
    [
      'processor',
      { files: { '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'powersave\n' } },
      ['note processor: its frequency governor is powersave'],
    ],
    [
      'processor',
      {
        files: {
          '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor': 'powersave\n',
          '/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver': 'intel_pstate\n',
        },
      },
      [],
    ],
    ['onednn', { environment: { TF_ENABLE_ONEDNN_OPTS: '0' } }, ['note onednn: off in float32, by TF_ENABLE_ONEDNN_OPTS=0']],
    [
      'onednn',
      { environment: { ONEDNN_MAX_CPU_ISA: 'AVX2' } },
      ['note onednn: held to AVX2 by ONEDNN_MAX_CPU_ISA, below what the processor has'],
    ],
  ])('%s: %o', async (name, changes, expected) => {
    expect(await wrong(name, changes)).toEqual(expected);
  });

  it('says who turns oneDNN on', async () => {
    const by = async (text: string) => (await find('onednn', { files: flags(text) }))[0].found;
    expect(await by('avx2 fma')).toBe('on in float32, by us, as it is faster here (docs/benchmarks.md); off in bf16');
    expect(await by('avx2 fma avx512f avx512_vnni')).toBe(
      'on in float32, as TensorFlow has it with instructions for neural networks',
    );
    expect(await by('avx')).toBe('off in float32, as TensorFlow has it without AVX2');
  });
});

describe('GPUs', () => {
  const QUERY =
    'nvidia-smi --query-gpu=uuid,driver_version,memory.total,memory.used,compute_cap,utilization.gpu,ecc.errors.uncorrected.volatile.total --format=csv,noheader,nounits';
  const card = (index: number) => ({ index, model: 'NVIDIA A100-SXM4-80GB', uuid: `GPU-${index}` });
  const two = (rows: string, topo = ''): MachineChanges => ({
    gpus: () => ({ gpus: [card(0), card(1)], reason: '' }),
    programs: { [QUERY]: rows, 'nvidia-smi': '| NVIDIA-SMI 580.105.08   CUDA Version: 13.0  |', 'nvidia-smi topo -m': topo },
  });
  const WELL = 'GPU-0, 580.105.08, 81920, 400, 8.0, 0, 0\nGPU-1, 580.105.08, 81920, 400, 8.0, 0, [N/A]\n';

  it('are told with driver, CUDA, memory and how they are joined', async () => {
    const topo =
      '\t\u001b[4mGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\u001b[0m\nGPU0\t X \tNV12\tSYS\t32-63\t1\t\tN/A\nGPU1\tNV12\t X \tSYS\t32-63\t1\t\tN/A\nNIC0\tSYS\tSYS\t X \t\t\t\t\n\nLegend:\n\n  X    = Self\n';
    const found = await find('gpus', two(WELL, topo));
    expect(found.map(({ status, name, found: what }) => `${status} ${name}: ${what}`)).toEqual([
      'ok gpu(0): NVIDIA A100-SXM4-80GB, 86 GB, driver 580.105.08 (CUDA 13.0), compute capability 8.0',
      'ok gpu(1): NVIDIA A100-SXM4-80GB, 86 GB, driver 580.105.08 (CUDA 13.0), compute capability 8.0',
      'ok topology: cards 0–1 by NVLink (NV12)',
    ]);
  });

  it.each<[string, string, string]>([
    ['an old driver', 'GPU-0, 470.57.02, 81920, 400, 8.0, 0, 0', 'problem'],
    ['an old card', 'GPU-0, 580.1, 4096, 40, 5.2, 0, [N/A]', 'problem'],
    ['bad memory', 'GPU-0, 580.1, 81920, 400, 8.0, 0, 3', 'problem'],
    ['others on it', 'GPU-0, 580.1, 81920, 60000, 8.0, 97, 0', 'note'],
    ['a slice, which the query does not list', 'GPU-9, 580.1, 81920, 400, 8.0, 0, 0', 'ok'],
  ])('with %s', async (_, row, status) => {
    expect((await find('gpus', two(`${row}\n`)))[0].status).toBe(status);
  });

  it.each<[string, MachineChanges, string]>([
    ['no card', {}, 'ok'],
    [
      'a card without a driver',
      {
        folders: { '/sys/bus/pci/devices': ['0000:01:00.0'] },
        files: {
          '/sys/bus/pci/devices/0000:01:00.0/vendor': '0x10de\n',
          '/sys/bus/pci/devices/0000:01:00.0/class': '0x030200\n',
        },
      },
      'problem: There is an NVIDIA card, and no driver for it.',
    ],
    [
      'a container without its GPUs',
      { files: { '/proc/driver/nvidia/version': 'NVRM version: 580' } },
      'problem: This is a container that was not given the GPUs of its machine.',
    ],
    [
      'GPUs that are hidden',
      {
        environment: { CUDA_VISIBLE_DEVICES: '-1' },
        gpus: () => ({ gpus: [], reason: 'CUDA_VISIBLE_DEVICES is "-1", which names none of 0 (GPU-0)' }),
      },
      'note: Training is on the CPU.',
    ],
    [
      'a driver that does not answer',
      {
        files: { '/proc/driver/nvidia/version': 'x' },
        gpus: () => ({ gpus: [], reason: 'nvidia-smi failed: Driver/library version mismatch' }),
      },
      'problem: The driver is loaded, and does not answer.',
    ],
  ])('none, with %s', async (_, changes, expected) => {
    const [{ status, means }] = await find('gpus', changes);
    expect(status === 'ok' ? status : `${status}: ${means}`).toBe(expected);
  });
});

describe('two seconds of computing', () => {
  it.each<[string, MachineChanges, string[]]>([
    ['well', {}, []],
    ['without TensorFlow', { tensorflow: noTensorFlow }, ['note compute: not tried: TensorFlow is not here yet']],
    [
      'threads that give nothing',
      {
        compute: () =>
          Promise.resolve({
            ...COMPUTED,
            rates: [
              { threads: 1, gflops: 50 },
              { threads: 2, gflops: 55 },
            ],
          }),
      },
      ['note on cpu(0): 55 GFLOP/s with 2 threads, 50 with one; TensorFlow 2.21.0 was open after 0.9 s, oneDNN on'],
    ],
    [
      'wrong numbers',
      { compute: () => Promise.resolve({ ...COMPUTED, right: false }) },
      [
        'problem on cpu(0): wrong numbers; 96 GFLOP/s with 2 threads, 50 with one; TensorFlow 2.21.0 was open after 0.9 s, oneDNN on',
      ],
    ],
    [
      'an instruction that is not there',
      { compute: () => Promise.resolve({ kind: 'died', signal: 'SIGILL', code: null, lastWords: '' }) },
      ['problem on cpu(0): a process that computed on CPU:0 ended by SIGILL'],
    ],
    [
      'a refusal',
      { compute: () => Promise.resolve({ kind: 'refused', message: 'no such device', next: 'Take another.' }) },
      ['problem on cpu(0): CPU:0 cannot be used: no such device'],
    ],
    [
      'no answer',
      { compute: () => Promise.resolve({ kind: 'hung', afterMs: 180_000 }) },
      ['problem on cpu(0): CPU:0 gave no answer within 180 s'],
    ],
  ])('%s', async (_, changes, expected) => {
    expect(await wrong('compute', changes)).toEqual(expected);
  });

  it('asks each device, the threads of a quota, and one GPU after the other', async () => {
    const asked: unknown[] = [];
    await find('compute', {
      parallelism: 8,
      files: { '/sys/fs/cgroup/cpu.max': '400000 100000\n' },
      tensorflow: () => Promise.resolve({ folder: '/tf', version: '2.21.0', kind: 'cuda' }),
      gpus: () => ({
        gpus: [
          { index: 0, model: 'G' },
          { index: 1, model: 'G' },
        ],
        reason: '',
      }),
      compute: ({ device, threads, folder, computeMs }) => {
        asked.push([device, threads, folder, computeMs]);
        return Promise.resolve(COMPUTED);
      },
    });
    expect(asked).toEqual([
      ['CPU:0', [1, 4], '/tf', 2000],
      ['GPU:0', [4], '/tf', 2000],
      ['GPU:1', [4], '/tf', 2000],
    ]);
  });
});
