/**
 * Owns: the way of values into and out of TensorFlow: typed arrays and byte strings to tensor handles and back, each copied once.
 * Does not: number the handles (handles.ts). The type rules are those of tfjs-node's binding/tfjs_backend.cc, so that its kernels run unchanged.
 */
import { sizeOf } from '../../common/shape_size.js';
import { isSharedArrayBuffer } from 'node:util/types';
import type { Pointer } from './c_api.js';
import type { Context } from './context.js';
import { TF_BOOL, TF_COMPLEX64, TF_FLOAT, TF_INT32, TF_INT64, TF_RESOURCE, TF_STRING, TF_UINT8 } from './data_types.js';
import { TensorFlowError } from './status.js';

/** sizeof(TF_TString). */
const STRING_BYTES = 24;

type Values = ArrayBufferView & { readonly length: number };
/** What a tensor holds, as tfjs-node gives it: int64 as BigInt64Array, complex64 as interleaved floats, strings as an array of bytes. */
export type TensorValues = Float32Array | Int32Array | Uint8Array | BigInt64Array | Uint8Array[];

/** A new handle, owned by the caller, on the context's device (int32 and strings stay in host memory, as kernels expect). */
export function makeTensor(context: Context, shape: readonly number[], dtype: number, values: unknown): Pointer {
  if (dtype === TF_STRING) return makeStringTensor(context, shape, values as ArrayLike<Uint8Array>);
  const { api } = context;
  const bytes = checkedValues(shape, dtype, values);
  const tensor = api.TF_AllocateTensor(dtype, BigInt64Array.from(shape, BigInt), shape.length, bytes.byteLength);
  if (tensor === null) throw outOfMemory(shape, bytes.byteLength);
  if (bytes.byteLength > 0) api.memcpy(api.TF_TensorData(tensor), bytes, bytes.byteLength);
  const handle = toHandle(context, tensor);
  return dtype === TF_INT32 ? handle : moveToDevice(context, handle);
}

/**
 * The same over the array's own memory where that is possible, else with a copy: of shared memory, where it begins at a multiple of 64 bytes. To a GPU it is
 * copied from there. The memory has to stay, unwritten, for as long as the handle is used; TensorFlow writes into none that it does not own.
 */
export function makeTensorInPlace(context: Context, shape: readonly number[], values: Float32Array): Pointer {
  const isLent = values.length > 0 && isSharedArrayBuffer(values.buffer);
  if (!isLent) return makeTensor(context, shape, TF_FLOAT, values);
  const { api } = context;
  const { byteLength } = checkedValues(shape, TF_FLOAT, values);
  const dimensions = BigInt64Array.from(shape, BigInt);
  const tensor = api.TF_NewTensor(TF_FLOAT, dimensions, shape.length, values, byteLength, api.freesNothing, null);
  if (tensor === null) throw outOfMemory(shape, byteLength);
  return moveToDevice(context, toHandle(context, tensor));
}

/** The values behind a handle, copied into memory of JavaScript's own. */
export function readTensor(context: Context, handle: Pointer): TensorValues {
  const { api, status } = context;
  const tensor = status.checked(api.TFE_TensorHandleResolve(handle, status.pointer), 'reading a tensor');
  try {
    const dtype = api.TF_TensorType(tensor);
    if (dtype === TF_STRING) return readStrings(context, tensor);
    const byteLength = api.TF_TensorByteSize(tensor);
    const values = newValues(dtype, byteLength);
    if (byteLength > 0) api.memcpy(values, api.TF_TensorData(tensor), byteLength);
    // tfjs has no uint8 and calls such tensors int32.
    return dtype === TF_UINT8 ? Int32Array.from(values as Uint8Array) : values;
  } finally {
    api.TF_DeleteTensor(tensor);
  }
}

/** Copies the values behind a handle into `target` (any typed array, shared memory too), which must have exactly their size in bytes. */
export function readTensorInto(context: Context, handle: Pointer, target: ArrayBufferView): void {
  const { api, status } = context;
  const tensor = status.checked(api.TFE_TensorHandleResolve(handle, status.pointer), 'reading a tensor');
  try {
    const byteLength = api.TF_TensorByteSize(tensor);
    if (byteLength !== target.byteLength || api.TF_TensorType(tensor) === TF_STRING) {
      throw new Error(`A tensor of ${byteLength} bytes cannot be read into an array of ${target.byteLength} bytes`);
    }
    if (byteLength > 0) api.memcpy(target, api.TF_TensorData(tensor), byteLength);
  } finally {
    api.TF_DeleteTensor(tensor);
  }
}

function checkedValues(shape: readonly number[], dtype: number, values: unknown): Values {
  let wanted: string;
  switch (dtype) {
    case TF_FLOAT:
    case TF_COMPLEX64:
      wanted = 'Float32Array';
      break;
    case TF_INT32:
    case TF_INT64:
      wanted = 'Int32Array';
      break;
    case TF_BOOL:
    case TF_UINT8:
      wanted = 'Uint8Array';
      break;
    default:
      throw new Error(`Unhandled TF_DataType: ${dtype}`);
  }
  if (!ArrayBuffer.isView(values)) throw new Error(`Tensor values must be a ${wanted}, not ${describe(values)}`);
  // Buffer is a Uint8Array too; instanceof would also refuse arrays of another realm, as in vitest's sandboxes.
  const kind = Buffer.isBuffer(values) ? 'Uint8Array' : describe(values);
  if (kind !== wanted) throw new Error(`Tensor type does not match ${kind}`);
  // tfjs-node's convention: an int64 is two int32, a complex64 two float32.
  const perElement = dtype === TF_INT64 || dtype === TF_COMPLEX64 ? 2 : 1;
  const elements = sizeOf(shape) * perElement;
  const array = values as Values;
  if (array.length !== elements) {
    throw new Error(`Shape does not match typed-array in bindData() (num_elements=${elements}, array_length=${array.length})`);
  }
  return array;
}

function newValues(dtype: number, byteLength: number): Exclude<TensorValues, Uint8Array[]> {
  switch (dtype) {
    case TF_FLOAT:
    case TF_COMPLEX64:
      return new Float32Array(byteLength / 4);
    case TF_INT32:
      return new Int32Array(byteLength / 4);
    case TF_INT64:
      return new BigInt64Array(byteLength / 8);
    case TF_BOOL:
    case TF_UINT8:
    case TF_RESOURCE:
      return new Uint8Array(byteLength);
    default:
      throw new Error(`Unhandled TF_DataType: ${dtype}`);
  }
}

/**
 * TensorFlow frees the buffer of a tensor made by `TF_AllocateTensor` without freeing the strings in it, and other tensors may share that
 * buffer. So the strings are copied once more by an op, into a tensor that frees them, and the first one is emptied here.
 */
function makeStringTensor(context: Context, shape: readonly number[], values: ArrayLike<Uint8Array>): Pointer {
  const { api, status } = context;
  const count = values.length;
  if (count !== sizeOf(shape)) throw new Error(`Shape [${shape.join(',')}] does not match ${count} strings`);
  const tensor = api.TF_AllocateTensor(TF_STRING, BigInt64Array.from(shape, BigInt), shape.length, count * STRING_BYTES);
  if (tensor === null) throw outOfMemory(shape, count * STRING_BYTES);
  const first = count === 0 ? 0n : (api.TF_TensorData(tensor) as Pointer);
  const addressOf = (index: number): Pointer => first + BigInt(index * STRING_BYTES);
  for (let index = 0; index < count; index++) api.TF_StringInit(addressOf(index));
  let source: Pointer | undefined;
  try {
    for (let index = 0; index < count; index++) {
      const bytes = values[index];
      if (describe(bytes) !== 'Uint8Array' && !Buffer.isBuffer(bytes))
        throw new Error('Unsupported array type - expecting Uint8Array');
      if (bytes.length > 0) api.TF_StringCopy(addressOf(index), bytes, bytes.length);
    }
    source = status.checked(api.TFE_NewTensorHandle(tensor, status.pointer), 'making a string tensor');
    return copyStrings(context, source);
  } finally {
    if (source !== undefined) api.TFE_DeleteTensorHandle(source);
    for (let index = 0; index < count; index++) api.TF_StringDealloc(addressOf(index));
    api.TF_DeleteTensor(tensor);
  }
}

/** StringJoin of one tensor: byte for byte the same strings, in a tensor of TensorFlow's own. */
function copyStrings(context: Context, source: Pointer): Pointer {
  const { api, status } = context;
  const op = status.checked(api.TFE_NewOp(context.pointer, api.cString('StringJoin'), status.pointer), 'StringJoin');
  try {
    api.TFE_OpAddInput(op, source, status.pointer);
    status.check('StringJoin');
    api.TFE_OpSetAttrInt(op, api.cString('N'), 1);
    const results = new BigUint64Array(1);
    api.TFE_Execute(op, results, Int32Array.of(1), status.pointer);
    status.check('StringJoin');
    return results[0];
  } finally {
    api.TFE_DeleteOp(op);
  }
}

function readStrings(context: Context, tensor: Pointer): Uint8Array[] {
  const { api } = context;
  const count = api.TF_TensorElementCount(tensor);
  const first = count === 0 ? 0n : (api.TF_TensorData(tensor) as Pointer);
  return Array.from({ length: count }, (_, index) => {
    const string = first + BigInt(index * STRING_BYTES);
    const bytes = new Uint8Array(api.TF_StringGetSize(string));
    if (bytes.length > 0) api.memcpy(bytes, api.TF_StringGetDataPointer(string), bytes.length);
    return bytes;
  });
}

/** Consumes the TF_Tensor; the handle shares its memory. */
function toHandle(context: Context, tensor: Pointer): Pointer {
  const { api, status } = context;
  const handle = api.TFE_NewTensorHandle(tensor, status.pointer);
  api.TF_DeleteTensor(tensor);
  return status.checked(handle, 'making a tensor');
}

/** Consumes a handle in host memory, which is that of the first CPU device. */
function moveToDevice(context: Context, handle: Pointer): Pointer {
  return context.device.name === 'CPU:0' ? handle : copyToDevice(context, handle);
}

/** Consumes the handle, whatever device it is on. */
export function copyToDevice(context: Context, handle: Pointer): Pointer {
  const { api, status } = context;
  const moved = api.TFE_TensorHandleCopyToDevice(handle, context.pointer, context.device.fullName, status.pointer);
  api.TFE_DeleteTensorHandle(handle);
  return status.checked(moved, `copying a tensor to ${context.device.name}`);
}

function outOfMemory(shape: readonly number[], bytes: number): TensorFlowError {
  return new TensorFlowError(
    'making a tensor',
    'RESOURCE_EXHAUSTED',
    `no memory for a tensor of shape [${shape.join(',')}], ${bytes} bytes`,
  );
}

function describe(value: unknown): string {
  return Object.prototype.toString.call(value).slice('[object '.length, -1);
}
