/**
 * Owns: how two kinds of arithmetic are compared, the first difference in words, and how to come to the one that is wanted.
 * Does not: find out what kind this process has (src/worker/replica/replica_thread.ts), or decide what a difference leads to.
 */
import type { NumericsClass } from './replica.js';

/** Causes before what follows from them, so that a difference is told by its cause; each item stands here, or this does not compile. */
const ORDER = Object.keys({
  arithmetic: 0,
  tensorflow: 1,
  device: 2,
  deviceModel: 3,
  instructionSet: 4,
  oneDnn: 5,
  oneDnnIsa: 6,
  precision: 7,
  intraOpThreads: 8,
  execution: 9,
  probe: 10,
} satisfies Record<keyof NumericsClass, number>) as (keyof NumericsClass)[];

export interface NumericsDifference {
  readonly item: keyof NumericsClass;
  readonly wanted: string | number;
  readonly got: string | number;
  /** An imperative without a full stop, e.g. `give --threads-per-worker 2`. */
  readonly remedy: string;
}

/** The first item that differs; null where equal bits may be expected. */
export function numericsDifference(wanted: NumericsClass, got: NumericsClass): NumericsDifference | null {
  const item = ORDER.find((key) => wanted[key] !== got[key]);
  return item === undefined ? null : { item, wanted: wanted[item], got: got[item], remedy: remedyFor(item, wanted, got) };
}

function remedyFor(item: keyof NumericsClass, wanted: NumericsClass, got: NumericsClass): string {
  switch (item) {
    case 'arithmetic':
      return wanted.arithmetic === 0
        ? 'use the version of tfjs-parallel that the run was started with'
        : `use a version of tfjs-parallel whose arithmetic is ${wanted.arithmetic}`;
    case 'intraOpThreads':
      return `give --threads-per-worker ${wanted.intraOpThreads}`;
    case 'oneDnn':
      return `set TF_ENABLE_ONEDNN_OPTS=${wanted.oneDnn === 'on' ? 1 : 0} in its environment`;
    case 'oneDnnIsa':
      return wanted.oneDnnIsa === ''
        ? 'leave ONEDNN_MAX_CPU_ISA out of its environment'
        : `set ONEDNN_MAX_CPU_ISA=${wanted.oneDnnIsa} in its environment`;
    case 'execution':
      if (wanted.execution === 'eager') return 'give --no-compile';
      if (got.execution === 'eager') return 'leave --no-compile away';
      return `give --execution ${wanted.execution === 'xla' ? 'xla' : 'graph'}`;
    default:
      return 'use the same kind of machine';
  }
}

/** The instructions for neural networks by which TensorFlow turns oneDNN on by itself (tensorflow/core/util/util.cc, IsMKLEnabled, on Linux). */
const ONE_DNN_BY_ITSELF = ['avx_vnni', 'avx512_vnni', 'avx512_bf16', 'amx_tile', 'amx_int8', 'amx_bf16'];

/** Whether TensorFlow turns oneDNN on by itself on an x64 processor of these instructions, e.g. `x64 avx2+fma`. */
export function turnsOneDnnOn(instructionSet: string): boolean {
  const [, features = ''] = instructionSet.split(' ');
  return features.split('+').some((feature) => ONE_DNN_BY_ITSELF.includes(feature));
}

/** oneDNN is on where TensorFlow left alone would have it off: users see a line about it. */
export function hasOneDnnBeyondTensorFlow({ device, instructionSet, oneDnn }: NumericsClass): boolean {
  return device === 'CPU' && oneDnn === 'on' && instructionSet.startsWith('x64') && !turnsOneDnnOn(instructionSet);
}
