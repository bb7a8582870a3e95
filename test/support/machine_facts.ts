/** Owns: machines that are not there, for the checks of `doctor`: a healthy one, and what a test changes of it. */
import { EnvironmentError } from '../../src/common/errors.js';
import type { Computed } from '../../src/doctor/compute.js';
import type { Machine, ProgramEnd } from '../../src/doctor/machine.js';

const GB = 1e9;

export interface MachineChanges extends Partial<Omit<Machine, 'read' | 'run' | 'entries'>> {
  /** Text by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Names by folder. */
  readonly folders?: Readonly<Record<string, readonly string[]>>;
  /** Output by command line. */
  readonly programs?: Readonly<Record<string, string | ProgramEnd>>;
}

export const HEALTHY_FILES = {
  '/etc/os-release': 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n',
  '/proc/version': 'Linux version 6.12',
  '/proc/cpuinfo': ['0', '1']
    .map(
      (id) =>
        `processor\t: ${id}\nmodel name\t: A Processor\nphysical id\t: 0\ncore id\t\t: ${id}\nflags\t\t: fpu avx avx2 fma avx512f avx512_vnni avx512_bf16\n`,
    )
    .join('\n'),
  '/proc/self/limits':
    'Limit  Soft Limit  Hard Limit  Units\nMax open files            20000                20000                files\n',
  '/proc/self/mounts': 'overlay / overlay rw,relatime 0 0\n',
  '/sys/devices/system/clocksource/clocksource0/current_clocksource': 'tsc\n',
};

export const COMPUTED: Computed = {
  ...{
    kind: 'computed',
    tensorflow: '2.21.0',
    deviceModel: 'A Processor',
    oneDnn: 'on',
    oneDnnIsa: '',
    openMs: 900,
    right: true,
  },
  rates: [
    { threads: 1, gflops: 50 },
    { threads: 2, gflops: 96 },
  ],
};

export function machineOf({ files = {}, folders = {}, programs = {}, ...changes }: MachineChanges = {}): Machine {
  const texts: Record<string, string | undefined> = { ...HEALTHY_FILES, ...files };
  const answers: Record<string, string | ProgramEnd | undefined> = { 'python3 --version': 'Python 3.13.5\n', ...programs };
  return {
    platform: { platform: 'linux', arch: 'x64', glibcVersion: '2.41' },
    nodeVersion: '22.21.0',
    environment: {},
    parallelism: 2,
    memoryBytes: 8 * GB,
    load: 0.1,
    nowMs: () => Date.UTC(2026, 10, 28),
    read: (path) => texts[path] ?? null,
    entries: (folder) => folders[folder] ?? [],
    run: (program, args) => {
      const answer = answers[[program, ...args].join(' ')];
      if (answer === undefined) return null;
      return typeof answer === 'string' ? { status: 0, out: answer, err: '' } : answer;
    },
    folder: (path) => ({ exists: path === '/home/u/.cache/tfjs-parallel', writable: true, freeBytes: 50 * GB }),
    temporaryFolderProblem: () => Promise.resolve(''),
    whyNotListen: () => Promise.resolve(null),
    gpus: () => ({ gpus: [], reason: 'nvidia-smi is not installed, so there is no NVIDIA driver' }),
    tensorflow: () =>
      Promise.resolve({
        folder: '/home/u/.cache/tfjs-parallel/tensorflow-2.21.0-cpu-linux-x64/tensorflow',
        version: '2.21.0',
        kind: 'cpu',
      }),
    cacheFolder: () => Promise.resolve('/home/u/.cache/tfjs-parallel'),
    whyNoPip: () => undefined,
    requireTfjs: () => Promise.resolve(),
    compute: () => Promise.resolve(COMPUTED),
    ...changes,
  };
}

export const noTensorFlow = (): Promise<never> =>
  Promise.reject(
    new EnvironmentError({ code: 'TENSORFLOW_NOT_FOUND', message: 'TensorFlow is not on this machine yet', next: 'Fetch it.' }),
  );
