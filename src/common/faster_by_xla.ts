/** Owns: of which models XLA makes faster steps than TensorFlow's kernels: docs/benchmarks.md, "XLA for dense models". */

/** Layers whose steps are products of matrices and what lies between them. */
const DENSE_LAYERS: ReadonlySet<string> = new Set([
  ...['InputLayer', 'Dense', 'Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax', 'Dropout', 'Flatten', 'Reshape'],
  ...['Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate'],
]);

/** With one XLA's products take longer than oneDNN's. */
const FEWEST_THREADS = 2;
/** Of more, steps are products of matrices, at which XLA was ahead with AMX alone. */
const MOST_WEIGHTS = 100_000;

export interface XlaCase {
  readonly classNames: readonly string[];
  /** Numbers in all of them. */
  readonly weights: number;
  /** Of a replica. */
  readonly threads: number;
  /** As `NumericsClass.instructionSet`. */
  readonly instructions: string;
}

/** In fp32, on a processor. */
export function isFasterByXla({ classNames, weights, threads, instructions }: XlaCase): boolean {
  const isDense = classNames.includes('Dense') && classNames.every((name) => DENSE_LAYERS.has(name));
  return isDense && threads >= FEWEST_THREADS && (weights <= MOST_WEIGHTS || instructions.includes('amx_tile'));
}
