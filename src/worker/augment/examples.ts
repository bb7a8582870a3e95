/** Owns: the form in which a batch's examples go through augmentation. */
import type * as tfjs from '@tensorflow/tfjs';

type Tensors = Readonly<Record<string, tfjs.Tensor>>;

/** By the fields' names, [n, …]; inputs are float32 and scaled. */
export interface Examples {
  readonly inputs: Tensors;
  readonly targets: Tensors;
}

export function mapTensors(
  tensors: Tensors,
  to: (tensor: tfjs.Tensor, name: string) => tfjs.Tensor,
): Record<string, tfjs.Tensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, to(tensor, name)]));
}
