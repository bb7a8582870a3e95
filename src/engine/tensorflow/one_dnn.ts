/**
 * Owns: oneDNN in this process: whether we want it, whether TensorFlow's kernels really are oneDNN's, and which instruction set it is held to.
 */
import type { CApi } from '../capi/c_api.js';
import { turnsOneDnnOn } from '../../common/numerics_class.js';
import { instructionSet, readCpuinfo } from './instruction_set.js';
import { withoutLoadNotes } from './quiet_load.js';

/** `unknown`: this TensorFlow does not say. */
export type OneDnnUse = 'on' | 'off' | 'unknown';

/** By TensorFlow's own answer, tensorflow::IsMKLEnabled() of tensorflow/core/util/util.cc: it weighs its build, its variables and the processor. */
export function oneDnnUse({ library }: Pick<CApi, 'library'>): OneDnnUse {
  let use: OneDnnUse = 'unknown';
  // The first call says on standard error that oneDNN is on.
  withoutLoadNotes(() => {
    try {
      const isEnabled = library.func('_ZN10tensorflow12IsMKLEnabledEv', 'unsigned char', []) as () => number;
      use = isEnabled() === 0 ? 'off' : 'on';
    } catch {
      // Not a function of the C API, so another build may lack it.
    }
  });
  return use;
}

/**
 * Whether we turn oneDNN on where TensorFlow would not and the user has not said: on x64 processors without instructions for neural networks, in
 * float32, where its convolutions are faster than Eigen's (docs/benchmarks.md, "oneDNN"). Not for bf16: without AVX-512 oneDNN hands that back to
 * Eigen, which adds in it.
 */
export function wantsOneDnn(
  options: { readonly device?: string; readonly precision?: 'fp32' | 'bf16' },
  instructions = instructionSet(),
): boolean {
  const onGpu = options.device?.includes('GPU') ?? false;
  const isX64 = /^x64 .*\bavx2\b/.test(instructions);
  return !onGpu && options.precision !== 'bf16' && isX64 && !turnsOneDnnOn(instructions);
}

/**
 * The levels that oneDNN may be held to, and what of a processor lies above each (oneDNN's developer guide, "CPU Dispatcher Control"; names as
 * Linux has them). Above AVX512_CORE_AMX_FP16 there is nothing yet.
 */
const ABOVE: Readonly<Record<string, readonly string[]>> = {
  SSE41: ['avx'],
  AVX: ['avx2'],
  AVX2: ['avx_vnni', 'avx512f'],
  AVX2_VNNI: ['avx_vnni_int8', 'avx512f'],
  AVX2_VNNI_2: ['avx512f'],
  AVX512_CORE: ['avx512_vnni'],
  AVX512_CORE_VNNI: ['avx512_bf16'],
  AVX512_CORE_BF16: ['avx512_fp16', 'amx_tile'],
  AVX512_CORE_FP16: ['amx_tile'],
  AVX10_1_512: ['amx_tile'],
  AVX512_CORE_AMX: ['amx_fp16'],
  AVX10_1_512_AMX: ['amx_fp16'],
};

/**
 * The level that oneDNN is held to below what the processor has; empty where to none. It counts with oneDNN off too: Eigen's matrix products are
 * oneDNN's in TensorFlow's build.
 */
export function oneDnnCeiling(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  cpuinfo = readCpuinfo(),
): string {
  // Set to nothing it is not set, as oneDNN has it.
  const level = ([environment.ONEDNN_MAX_CPU_ISA, environment.DNNL_MAX_CPU_ISA].find(Boolean) ?? '').toUpperCase();
  const flags = new Set(/^flags\s*:(.*)$/m.exec(cpuinfo)?.[1].trim().split(/\s+/) ?? []);
  const above = Object.hasOwn(ABOVE, level) ? ABOVE[level] : [];
  return above.some((flag) => flags.has(flag)) ? level : '';
}

/** Levels without products in bfloat16. */
export function isBelowBfloat16(level: string): boolean {
  return /^(SSE41|AVX|AVX2.*)$/.test(level);
}

/** Whether oneDNN multiplies by AVX-512 on a processor of these instructions, held to this level. */
export function multipliesByAvx512(instructions: string, level: string): boolean {
  return /^x64 .*\bavx512f\b/.test(instructions) && !isBelowBfloat16(level);
}
