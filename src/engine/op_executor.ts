/**
 * Owns: running one eager op, the hot path of every tfjs call. Does not: make input tensors or read outputs (tensors.ts).
 */
import type { CApi, Pointer } from './c_api.js';
import type { Context } from './context.js';
import { TF_ATTR_BOOL, TF_ATTR_FLOAT, TF_ATTR_INT, TF_ATTR_SHAPE, TF_ATTR_STRING, TF_ATTR_TYPE } from './data_types.js';
import type { Handles } from './handles.js';
import { Status } from './status.js';

/** One attribute of an op, in tfjs-node's form. */
export interface OpAttribute {
  name: string;
  type: number;
  value: unknown;
}

/** What tfjs-node's kernels are told of an output. */
export interface TensorMetadata {
  id: number;
  shape: number[];
  dtype: number;
}

export class OpExecutor {
  private readonly api: CApi;
  private readonly status: Status;
  private readonly deviceName: Pointer | null;
  private readonly resultCount = new Int32Array(1);
  private results = new BigUint64Array(16);

  constructor(
    private readonly context: Context,
    private readonly handles: Handles,
  ) {
    this.api = context.api;
    this.status = context.status;
    this.deviceName = context.placesOps ? this.api.cString(context.device.fullName) : null;
  }

  /** Runs an op, or a graph function by its name, on the context's device and takes its outputs into the handle table. */
  execute(
    opName: string,
    attributes: readonly OpAttribute[],
    inputIds: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const { api, status } = this;
    const op = this.newOp(opName, attributes, inputIds);
    try {
      if (outputCount > this.results.length) this.results = new BigUint64Array(outputCount);
      this.resultCount[0] = outputCount;
      api.TFE_Execute(op, this.results, this.resultCount, status.pointer);
      status.check(opName);
      return this.adoptAll(this.results, outputCount);
    } finally {
      api.TFE_DeleteOp(op);
    }
  }

  /** The same on a thread of libuv's pool: JavaScript goes on meanwhile, with ops of its own too. The inputs stay until it is done. */
  async executeAsync(
    opName: string,
    attributes: readonly OpAttribute[],
    inputIds: readonly number[],
    outputCount: number,
  ): Promise<TensorMetadata[]> {
    const { api } = this;
    const [results, count] = [new BigUint64Array(outputCount), Int32Array.of(outputCount)];
    const op = this.newOp(opName, attributes, inputIds);
    // That of the thread is overwritten meanwhile.
    const status = new Status(api);
    try {
      await api.executeAsync(op, results, count, status.pointer);
      status.check(opName);
      return this.adoptAll(results, outputCount);
    } finally {
      status.delete();
      api.TFE_DeleteOp(op);
    }
  }

  /** Deleted by the caller. */
  private newOp(opName: string, attributes: readonly OpAttribute[], inputIds: readonly number[]): Pointer {
    const { api, status } = this;
    const op = status.checked(api.TFE_NewOp(this.context.pointer, api.cString(opName), status.pointer), opName);
    try {
      const { elsewhere } = this.context;
      const device = elsewhere?.ops.has(opName) ? api.cString(elsewhere.device) : this.deviceName;
      if (device !== null) api.TFE_OpSetDevice(op, device, status.pointer);
      for (const id of inputIds) {
        api.TFE_OpAddInput(op, this.handles.get(id, `${opName}: the input is`), status.pointer);
        status.check(opName);
      }
      for (const attribute of attributes) this.setAttribute(op, opName, attribute);
      return op;
    } catch (error) {
      api.TFE_DeleteOp(op);
      throw error;
    }
  }

  private adoptAll(results: BigUint64Array, count: number): TensorMetadata[] {
    const outputs: TensorMetadata[] = [];
    for (let index = 0; index < count; index++) outputs.push(this.adopt(results[index]));
    return outputs;
  }

  /** Takes a handle from C into the table and describes it. */
  adopt(handle: Pointer): TensorMetadata {
    const { api, status } = this;
    const rank = api.TFE_TensorHandleNumDims(handle, status.pointer);
    const shape: number[] = [];
    for (let axis = 0; axis < rank; axis++) shape.push(api.TFE_TensorHandleDim(handle, axis, status.pointer));
    return { id: this.handles.add(handle), shape, dtype: api.TFE_TensorHandleDataType(handle) };
  }

  private setAttribute(op: Pointer, opName: string, { name, type, value }: OpAttribute): void {
    const { api } = this;
    const attribute = api.cString(name);
    switch (type) {
      case TF_ATTR_TYPE:
        return api.TFE_OpSetAttrType(op, attribute, value as number);
      case TF_ATTR_BOOL: {
        if (!Array.isArray(value)) return api.TFE_OpSetAttrBool(op, attribute, value ? 1 : 0);
        return api.TFE_OpSetAttrBoolList(
          op,
          attribute,
          Uint8Array.from(value, (item) => (item ? 1 : 0)),
          value.length,
        );
      }
      case TF_ATTR_INT: {
        if (!Array.isArray(value)) return api.TFE_OpSetAttrInt(op, attribute, Math.trunc(numberOf(opName, name, value)));
        return api.TFE_OpSetAttrIntList(op, attribute, int64s(value as number[]), value.length);
      }
      case TF_ATTR_FLOAT: {
        if (!Array.isArray(value)) return api.TFE_OpSetAttrFloat(op, attribute, numberOf(opName, name, value));
        return api.TFE_OpSetAttrFloatList(op, attribute, Float32Array.from(value as number[]), value.length);
      }
      case TF_ATTR_STRING: {
        const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : (value as Uint8Array);
        return api.TFE_OpSetAttrString(op, attribute, bytes, bytes.length);
      }
      case TF_ATTR_SHAPE: {
        const dimensions = int64s(value as number[]);
        api.TFE_OpSetAttrShape(op, attribute, dimensions, dimensions.length, this.status.pointer);
        return this.status.check(opName);
      }
      default:
        throw new Error(`${opName}: Unhandled TF_AttrType: ${type} (attribute ${name})`);
    }
  }
}

function int64s(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, (value) => BigInt(Math.trunc(value)));
}

function numberOf(opName: string, attribute: string, value: unknown): number {
  if (typeof value !== 'number') throw new Error(`${opName}: attribute ${attribute} must be a number, not ${String(value)}`);
  return value;
}
