/**
 * Owns: refusing an engine whose products would not be of the precision that it was asked for, because a variable of oneDNN's has it otherwise.
 * Does not: tell whether a processor has bfloat16 at all (bfloat16.ts).
 */
import { tf } from '../backend/tfjs.js';
import { EnvironmentError } from '../../common/errors.js';
import { isBelowBfloat16, type OneDnnUse } from '../tensorflow/one_dnn.js';

/** What lets oneDNN multiply float32 in less, where the processor is faster at it; the first is TensorFlow's and goes before oneDNN's own. */
const MATH_MODES = ['TF_SET_ONEDNN_FPMATH_MODE', 'ONEDNN_DEFAULT_FPMATH_MODE', 'DNNL_DEFAULT_FPMATH_MODE'];
/** Less than bfloat16, float16 and TF32 have bits for. */
const LOST = 2 ** -12;
/** Smaller products are left in float32. */
const SIZE = 64;

export interface HeldOneDnn {
  readonly precision?: 'fp32' | 'bf16';
  readonly oneDnn: OneDnnUse;
  /** What it is held to; empty where to nothing. */
  readonly level: string;
  /** The processor's own, of which TensorFlow takes bfloat16 for granted whatever oneDNN is held to. */
  readonly hasBfloat16: boolean;
}

/** @throws EnvironmentError BF16_FAILS where the first product would end the process: oneDNN throws, and nothing in TensorFlow catches it */
export function refuseHeldBfloat16({ precision, oneDnn, level, hasBfloat16 }: HeldOneDnn): void {
  if (precision !== 'bf16' || oneDnn === 'off' || !hasBfloat16 || !isBelowBfloat16(level)) return;
  throw new EnvironmentError({
    code: 'BF16_FAILS',
    message: `precision bf16 does not work here: oneDNN is held to ${level} (ONEDNN_MAX_CPU_ISA), which has no bfloat16`,
    next: 'Unset ONEDNN_MAX_CPU_ISA, or use precision fp32.',
  });
}

/**
 * Multiplies, on the current backend, where a variable may have made that inexact. Takes some milliseconds, and none where no variable is set.
 * @throws EnvironmentError FLOAT32_ROUNDED
 */
export function refuseRoundedFloat32(environment: Readonly<Record<string, string | undefined>> = process.env): void {
  const mode = MATH_MODES.find((name) => (environment[name] ?? '') !== '');
  if (mode === undefined || productIsExact()) return;
  throw new EnvironmentError({
    code: 'FLOAT32_ROUNDED',
    message: `${mode}=${environment[mode]} makes oneDNN round what it multiplies, so that float32 would not be float32 here`,
    next: `Unset ${mode}; precision bf16 is what trains in bfloat16.`,
  });
}

function productIsExact(): boolean {
  return tf.tidy(() => {
    const [product] = tf.matMul(tf.fill([SIZE, SIZE], 1 + LOST), tf.eye(SIZE)).dataSync();
    return product === 1 + LOST;
  });
}
