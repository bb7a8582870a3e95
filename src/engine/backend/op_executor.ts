/**
 * Owns: running one eager op, the hot path of every tfjs call. Does not: make input tensors or read outputs (tensors.ts).
 */
import type { CApi, Pointer } from '../capi/c_api.js';
import type { Context } from '../capi/context.js';
import { TF_ATTR_BOOL, TF_ATTR_FLOAT, TF_ATTR_INT, TF_ATTR_SHAPE, TF_ATTR_STRING, TF_ATTR_TYPE } from '../capi/data_types.js';
import type { Handles } from '../capi/handles.js';
import type { Status } from '../capi/status.js';

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
    const statusPointer = status.pointer;
    const op = status.checked(api.TFE_NewOp(this.context.pointer, api.cString(opName), statusPointer), opName);
    try {
      const { elsewhere } = this.context;
      const device = elsewhere?.ops.has(opName) ? api.cString(elsewhere.device) : this.deviceName;
      if (device !== null) api.TFE_OpSetDevice(op, device, statusPointer);
      for (const id of inputIds) {
        api.TFE_OpAddInput(op, this.handles.get(id, `${opName}: the input is`), statusPointer);
        status.check(opName);
      }
      for (const attribute of attributes) this.setAttribute(op, opName, attribute);
      if (outputCount > this.results.length) this.results = new BigUint64Array(outputCount);
      this.resultCount[0] = outputCount;
      api.TFE_Execute(op, this.results, this.resultCount, statusPointer);
      status.check(opName);
      const outputs: TensorMetadata[] = [];
      for (let index = 0; index < outputCount; index++) outputs.push(this.adopt(this.results[index]));
      return outputs;
    } finally {
      api.TFE_DeleteOp(op);
    }
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
