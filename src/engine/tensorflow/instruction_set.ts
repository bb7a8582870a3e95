/**
 * Owns: naming the processor's vector instructions, by which TensorFlow picks kernels; bits differ between them, so they are part of a run's
 * numerics class. Does not: compare classes.
 */
import { readFileSync } from 'node:fs';

/** From narrow to wide; the name lists those present. */
const FEATURES = [
  'avx2',
  'fma',
  'avx_vnni',
  'avx512f',
  'avx512_vnni',
  'avx512_bf16',
  'avx512_fp16',
  'amx_tile',
  'amx_int8',
  'amx_bf16',
  'asimd',
  'bf16',
  'sve',
] as const;

/** E.g. `x64 avx2+fma+avx512f`; only the architecture where the system does not tell. */
export function instructionSet(cpuinfo = readCpuinfo()): string {
  const flags = new Set(/^(?:flags|Features)\s*:(.*)$/m.exec(cpuinfo)?.[1].trim().split(/\s+/) ?? []);
  const present = FEATURES.filter((feature) => flags.has(feature));
  return [process.arch, present.join('+')].filter((part) => part !== '').join(' ');
}

/**
 * Whether oneDNN has bfloat16 kernels for this processor (tensorflow/core/graph/mkl_graph_util.h, IsBF16SupportedByOneDNNOnThisCPU): by its own
 * instructions, or by those of AVX-512. Whether TensorFlow uses oneDNN at all is another question (bfloat16.ts).
 */
export function oneDnnHasBfloat16(cpuinfo = readCpuinfo()): boolean {
  const [, features = ''] = instructionSet(cpuinfo).split(' ');
  return features.split('+').some((feature) => feature === 'avx512f' || feature === 'bf16');
}

export function readCpuinfo(): string {
  try {
    return readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // Not Linux.
    return '';
  }
}
