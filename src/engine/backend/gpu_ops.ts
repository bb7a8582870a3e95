/**
 * Owns: which ops a GPU leaves to the processor because its kernel refuses them, by TensorFlow's own messages (tensorflow/core/kernels, 2.21).
 * Does not: place them (op_executor.ts, recorded_graph.ts), or know those that have another formula on a GPU (cross_entropy.ts, kernel_fixes.ts).
 */

/** "Weights are not yet supported by the GPU implementation of Bincount." */
const WITHOUT_KERNEL = ['Bincount'];
/** What is refused where the same bits are asked for on every run (TF_DETERMINISTIC_OPS): "Determinism is not yet supported for …". */
const WITHOUT_DETERMINISM = ['Dilation2DBackpropFilter', 'Dilation2DBackpropInput', 'ResizeNearestNeighborGrad'];

/** Ops that run on the processor though the context's device is a GPU. Their results are copied over by TensorFlow. */
export function opsLeftToProcessor({ deterministicGpu }: { readonly deterministicGpu?: boolean }): ReadonlySet<string> {
  return new Set([...WITHOUT_KERNEL, ...(deterministicGpu === true ? WITHOUT_DETERMINISM : [])]);
}
