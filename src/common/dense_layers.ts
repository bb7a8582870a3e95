/** Owns: of which models XLA makes faster steps than TensorFlow's kernels: docs/benchmarks.md, "XLA for dense models". */

/** Layers whose steps are products of matrices and what lies between them. */
const DENSE_LAYERS: ReadonlySet<string> = new Set([
  ...['InputLayer', 'Dense', 'Activation', 'ReLU', 'LeakyReLU', 'ELU', 'Softmax', 'Dropout', 'Flatten', 'Reshape'],
  ...['Add', 'Subtract', 'Multiply', 'Average', 'Maximum', 'Minimum', 'Concatenate'],
]);

export function isDense(classNames: readonly string[]): boolean {
  return classNames.includes('Dense') && classNames.every((name) => DENSE_LAYERS.has(name));
}
