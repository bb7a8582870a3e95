/**
 * Owns: the interface through which tfjs-node's kernels reach TensorFlow (TFJSBinding in its src/tfjs_binding.ts), over the C API instead of a
 * native addon. Does not: know tfjs (backend.ts).
 */
import { EnvironmentError } from '../common/errors.js';
import type { Context } from './context.js';
import * as types from './data_types.js';
import { Handles } from './handles.js';
import { OpExecutor, type OpAttribute, type TensorMetadata } from './op_executor.js';
import { makeTensor, readTensor, readTensorInto, type TensorValues } from './tensors.js';

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

  constructor(readonly context: Context) {
    this.handles = new Handles(context.api);
    this.executor = new OpExecutor(context, this.handles);
    this.TF_Version = context.api.TF_Version();
  }

  createTensor(shape: number[], dtype: number, values: unknown): number {
    return this.handles.add(makeTensor(this.context, shape, dtype, values));
  }

  deleteTensor(tensorId: number): void {
    this.handles.delete(tensorId);
  }

  tensorDataSync(tensorId: number): TensorValues {
    return readTensor(this.context, this.handles.get(tensorId, 'Get data called on'));
  }

  /** Reads into an array the caller has, shared memory too, without an array in between. */
  tensorDataInto(tensorId: number, target: ArrayBufferView): void {
    readTensorInto(this.context, this.handles.get(tensorId, 'Get data called on'), target);
  }

  executeOp(opName: string, attributes: OpAttribute[], inputTensorIds: number[], outputCount: number): TensorMetadata[] {
    return this.executor.execute(opName, attributes, inputTensorIds, outputCount);
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
