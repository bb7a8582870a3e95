/**
 * Owns: tensors that another context of this process reads where they lie: on a GPU that both see, or in the host's memory.
 * Does not: keep them. Whoever lends one has it until nobody reads it any more.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { DeviceMemory } from '../../common/resident.js';
import { bindFunctions, bindOnce, type FunctionTable } from '../capi/c_api.js';
import type { Context } from '../capi/context.js';
import { TF_FLOAT } from '../capi/data_types.js';
import type { EngineParts } from './engine_parts.js';
import { kernelBackend } from './kernel_backend.js';
import { copyToDevice } from '../capi/tensors.js';

const MEMORY_FUNCTIONS = {
  TFE_TensorHandleDevicePointer: ['nullable', 'pointer', 'pointer'],
  TFE_NewTensorHandleFromDeviceMemory: [
    'nullable',
    ...(['pointer', 'string', 'int', 'buffer', 'int', 'pointer', 'size', 'pointer', 'buffer', 'pointer'] as const),
  ],
} as const satisfies FunctionTable;

const memoryFunctions = bindOnce(({ library }) => bindFunctions(library, MEMORY_FUNCTIONS));

/** Where a float32 tensor's numbers lie, once they are computed. Valid for as long as the tensor is kept. */
export function lendTensor({ binding, context }: Pick<EngineParts, 'binding' | 'context'>, tensor: tfjs.Tensor): DeviceMemory {
  const { api, status } = context;
  const [id] = kernelBackend().getInputTensorIds([tensor]);
  const handle = binding.handles.get(id, 'The memory was asked of');
  // It waits for the device.
  const address = memoryFunctions(api).TFE_TensorHandleDevicePointer(handle, status.pointer);
  return { device: deviceOf(context), address: status.checked(address, 'lending a tensor'), elements: tensor.size };
}

/** A float32 tensor of one dimension with the numbers that lie there: over that memory on the device that has it, a copy on any other. */
export function borrowTensor(
  { binding, context }: Pick<EngineParts, 'binding' | 'context'>,
  memory: DeviceMemory,
): tfjs.Tensor1D {
  const { api, status } = context;
  const { device, address, elements } = memory;
  const [shape, bytes] = [BigInt64Array.of(BigInt(elements)), elements * Float32Array.BYTES_PER_ELEMENT];
  const handle = status.checked(
    memoryFunctions(api).TFE_NewTensorHandleFromDeviceMemory(
      ...([context.pointer, device, TF_FLOAT, shape, 1, address, bytes] as const),
      ...([api.freesNothing, null, status.pointer] as const),
    ),
    'reading a tensor that was lent',
  );
  const id = binding.handles.add(device === context.device.fullName ? handle : copyToDevice(context, handle));
  return kernelBackend().createOutputTensor({ id, shape: [elements], dtype: TF_FLOAT }) as tfjs.Tensor1D;
}

/** The host's memory belongs to the first of its devices; the others are not there in every context. */
function deviceOf({ device, devices }: Context): string {
  if (device.type !== 'CPU') return device.fullName;
  return (devices.find(({ type }) => type === 'CPU') ?? device).fullName;
}
