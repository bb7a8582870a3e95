/**
 * Owns: the interface through which tfjs-node's kernels reach TensorFlow (TFJSBinding in its src/tfjs_binding.ts), over the C API instead of a
 * native addon. Does not: know tfjs (engine.ts).
 */
import { EnvironmentError } from '../../common/errors.js';
import type { Context } from '../capi/context.js';
import * as types from '../capi/data_types.js';
import { Handles } from '../capi/handles.js';
import { OpExecutor, type OpAttribute, type TensorMetadata } from './op_executor.js';
import { isSymbolic, type OpRecorder } from './op_recorder.js';
import { symbolicOutside } from '../compile/record_error.js';
import { makeTensor, makeTensorInPlace, readTensor, readTensorInto, type TensorValues } from '../capi/tensors.js';

/** tfjs-node declares these two as classes of the addon; its JavaScript uses plain objects of their shape. */
class TensorMetadataShape {
  id = 0;
  shape: number[] = [];
  dtype = 0;
}
class OpAttributeShape {
  name = '';
  type = 0;
  value: unknown = undefined;
}

export class Binding {
  readonly TensorMetadata = TensorMetadataShape;
  readonly TFEOpAttr = OpAttributeShape;

  readonly TF_FLOAT = types.TF_FLOAT;
  readonly TF_INT32 = types.TF_INT32;
  readonly TF_INT64 = types.TF_INT64;
  readonly TF_BOOL = types.TF_BOOL;
  readonly TF_COMPLEX64 = types.TF_COMPLEX64;
  readonly TF_STRING = types.TF_STRING;
  readonly TF_RESOURCE = types.TF_RESOURCE;
  readonly TF_UINT8 = types.TF_UINT8;
  readonly TF_ATTR_STRING = types.TF_ATTR_STRING;
  readonly TF_ATTR_INT = types.TF_ATTR_INT;
  readonly TF_ATTR_FLOAT = types.TF_ATTR_FLOAT;
  readonly TF_ATTR_BOOL = types.TF_ATTR_BOOL;
  readonly TF_ATTR_TYPE = types.TF_ATTR_TYPE;
  readonly TF_ATTR_SHAPE = types.TF_ATTR_SHAPE;
  readonly TF_Version: string;

  readonly handles: Handles;
  readonly executor: OpExecutor;
  /** Set while a function is recorded (recording.ts). */
  recorder: OpRecorder | undefined;

  constructor(readonly context: Context) {
    this.handles = new Handles(context.api);
    this.executor = new OpExecutor(context, this.handles);
    this.TF_Version = context.api.TF_Version();
  }

  createTensor(shape: number[], dtype: number, values: unknown): number {
    const id = this.handles.add(makeTensor(this.context, shape, dtype, values));
    this.recorder?.tensorCreated(id);
    return id;
  }

  /** Over the array's own memory, which has to stay as it is while the tensor is used (tensors.ts). */
  createTensorInPlace(shape: readonly number[], values: Float32Array): number {
    return this.handles.add(makeTensorInPlace(this.context, shape, values));
  }

  deleteTensor(tensorId: number): void {
    // A symbolic tensor that outlived its recording holds nothing.
    if (this.recorder?.takesDeletion(tensorId) || isSymbolic(tensorId)) return;
    this.handles.delete(tensorId);
  }

  tensorDataSync(tensorId: number): TensorValues {
    this.beforeRead(tensorId);
    return readTensor(this.context, this.handles.get(tensorId, 'Get data called on'));
  }

  /** Reads into an array the caller has, shared memory too, without an array in between. */
  tensorDataInto(tensorId: number, target: ArrayBufferView): void {
    this.beforeRead(tensorId);
    readTensorInto(this.context, this.handles.get(tensorId, 'Get data called on'), target);
  }

  executeOp(opName: string, attributes: OpAttribute[], inputTensorIds: number[], outputCount: number): TensorMetadata[] {
    if (this.recorder !== undefined) return this.recorder.executeOp(opName, attributes, inputTensorIds, outputCount);
    if (inputTensorIds.some(isSymbolic)) throw symbolicOutside(opName);
    return this.executor.execute(opName, attributes, inputTensorIds, outputCount);
  }

  /** TensorFlow's type of a tensor: uint8 and others are int32 to tfjs. */
  dtypeOf(tensorId: number): number {
    if (isSymbolic(tensorId) && this.recorder !== undefined) return this.recorder.dtypeOf(tensorId);
    return this.context.api.TFE_TensorHandleDataType(this.handles.get(tensorId, 'The type was asked of'));
  }

  isUsingGpuDevice(): boolean {
    return this.context.device.type === 'GPU';
  }

  getNumOfTensors(): number {
    return this.handles.count;
  }

  getNumOfSavedModels(): number {
    return 0;
  }

  loadSavedModel(exportDir: string, _tags: string): number {
    throw savedModelRefusal(exportDir);
  }

  runSavedModel(
    savedModelId: number,
    _inputTensorIds: number[],
    _inputOpNames: string,
    _outputOpNames: string,
  ): TensorMetadata[] {
    throw savedModelRefusal(`number ${savedModelId}`);
  }

  deleteSavedModel(savedModelId: number): void {
    throw savedModelRefusal(`number ${savedModelId}`);
  }

  private beforeRead(tensorId: number): void {
    if (this.recorder !== undefined) this.recorder.beforeRead(tensorId);
    else if (isSymbolic(tensorId)) throw symbolicOutside('reading a tensor');
  }

  /** Frees every handle, then the context. Nothing of this binding may be used afterwards. */
  dispose(): void {
    this.handles.deleteAll();
    this.context.delete();
  }
}

function savedModelRefusal(which: string): EnvironmentError {
  return new EnvironmentError({
    code: 'SAVED_MODEL_UNSUPPORTED',
    message: `SavedModel ${which}: this engine runs tfjs models, not TensorFlow SavedModels`,
    next: 'Convert it with tensorflowjs_converter and load it with tf.loadGraphModel.',
  });
}
