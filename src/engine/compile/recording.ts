/**
 * Owns: one recording: the ops a function called, as data (nodes, constants, captures) and, alongside, as a TensorFlow graph that tells their
 * shapes. Does not: run the function (record.ts), make it callable (graph_function.ts) or print it (printer.ts).
 */
import type { Pointer } from '../capi/c_api.js';
import type { Context } from '../capi/context.js';
import type { GraphOutput } from '../capi/graph_api.js';
import { funcAttr, GraphAdditions, typeList } from './graph_additions.js';
import type { Handles } from '../capi/handles.js';
import type { OpAttribute, TensorMetadata } from '../backend/op_executor.js';
import {
  FIRST_SYMBOLIC_ID,
  isSymbolic,
  type CalledFunction,
  type CalledLoop,
  type OpRecorder,
  type TensorKind,
} from '../backend/op_recorder.js';
import { calledFunction, captureSite, RecordError, symbolicOutside, userLine } from './record_error.js';
import type { RecordedCapture, RecordedConstant, RecordedNode, RecordedValue } from './recorded.js';
import { RecordedGraph } from './recorded_graph.js';
import { TF_INT32, TF_STRING } from '../capi/data_types.js';
import { readTensor } from '../capi/tensors.js';

/** Outputs whose shape TensorFlow does not infer and nobody needs. */
const SHAPELESS_OUTPUTS: Readonly<Record<string, number>> = { FusedBatchNormV3: 5 };

/** Bytes up to which equal constants become one node. */
const SHARED_CONSTANT_BYTES = 256;

let nextSymbolicId = FIRST_SYMBOLIC_ID;

export class Recording implements OpRecorder {
  readonly args: RecordedValue[] = [];
  readonly captures: RecordedCapture[] = [];
  readonly constants: RecordedConstant[] = [];
  readonly nodes: RecordedNode[] = [];
  readonly graph: RecordedGraph;
  /** What is added to the graph besides. */
  readonly additions: GraphAdditions;
  /** Real tensors whose deletion waits until the recording is over. */
  readonly deferredDeletions: number[] = [];
  /** Where the first of them was disposed. */
  disposedOutside?: Error;
  /** Number of nodes of the forward pass, where its end was marked. */
  forwardEnd = 0;
  /** Number of nodes before those that keep their roundings under XLA. */
  freeEnd = Infinity;
  /** While set, tensors that are made belong to the world outside. */
  uploadingOutside = false;

  private readonly values = new Map<number, RecordedValue>();
  private readonly madeInside = new Set<number>();
  private readonly sharedConstants = new Map<string, RecordedValue>();

  /** `readable` throws for a real tensor whose value may differ at the next call: a variable's. */
  constructor(
    private readonly context: Context,
    private readonly handles: Handles,
    private readonly readable: (tensorId: number) => void,
    readonly forXla: boolean,
  ) {
    this.graph = new RecordedGraph(context);
    this.additions = new GraphAdditions(this.graph);
  }

  addArgument(shape: readonly number[], dtype: number): TensorMetadata {
    const value = this.placeholder(`a${this.args.length}`, shape, dtype);
    this.args.push(value);
    return this.track(value);
  }

  executeOp(
    opName: string,
    attributes: readonly OpAttribute[],
    inputIds: readonly number[],
    outputCount: number,
  ): TensorMetadata[] {
    const site = captureSite();
    const inputs = inputIds.map((id) => this.valueOf(id, opName));
    // tfjs reshapes much that has its shape already; between two ops that would keep TensorFlow from joining them.
    if (opName === 'Reshape' && this.hasShape(inputs[0], inputs[1])) return [this.track(inputs[0])];
    const name = `n${this.nodes.length}`;
    const operation = this.add(opName, name, attributes, inputs, site);
    const outputs = Array.from({ length: outputCount }, (_, index) =>
      this.describeOutput(opName, outputCount === 1 ? name : `${name}:${index}`, { oper: operation, index }, site),
    );
    this.nodes.push({ op: opName, attributes, inputs, outputs, site });
    return outputs.map((value) => this.track(value));
  }

  callFunction(
    { name, attributes }: CalledFunction,
    inputIds: readonly number[],
    results: readonly TensorKind[],
  ): TensorMetadata[] {
    const called = [funcAttr('f', name), ...attributes];
    return this.call('PartitionedCall', ['Tin', 'Tout'], called, inputIds, results);
  }

  /** Its results are of the kinds of its inputs. */
  callLoop({ goesOn, body }: CalledLoop, inputIds: readonly number[], kinds: readonly TensorKind[]): TensorMetadata[] {
    return this.call('StatelessWhile', ['T'], [funcAttr('cond', goesOn), funcAttr('body', body)], inputIds, kinds);
  }

  endForward(): void {
    this.forwardEnd = this.nodes.length;
  }

  endFree(): void {
    this.freeEnd = this.nodes.length;
  }

  /** The value behind a tensor id: symbolic, a constant made while recording, or else a capture. */
  valueOf(tensorId: number, opName: string): RecordedValue {
    const known = this.values.get(tensorId);
    if (known !== undefined) return known;
    if (isSymbolic(tensorId)) throw symbolicOutside(opName);
    return this.madeInside.has(tensorId) ? this.constant(tensorId) : this.capture(tensorId);
  }

  tensorCreated(tensorId: number): void {
    if (!this.uploadingOutside) this.madeInside.add(tensorId);
  }

  takesDeletion(tensorId: number): boolean {
    if (isSymbolic(tensorId) || this.madeInside.delete(tensorId)) {
      this.values.delete(tensorId);
      return isSymbolic(tensorId);
    }
    this.disposedOutside ??= captureSite();
    this.deferredDeletions.push(tensorId);
    return true;
  }

  beforeRead(tensorId: number): void {
    if (!isSymbolic(tensorId)) {
      if (!this.madeInside.has(tensorId)) this.readable(tensorId);
      return;
    }
    const value = this.values.get(tensorId);
    if (value === undefined) throw symbolicOutside('reading a tensor');
    throw readsData(value.op === undefined ? 'an argument' : `the result of ${value.op}`);
  }

  dtypeOf(tensorId: number): number {
    return this.valueOf(tensorId, 'dtype').dtype;
  }

  /** Symbolic tensors that are still held by someone. */
  liveSymbolic(): RecordedValue[] {
    return [...this.values].filter(([id]) => isSymbolic(id)).map(([, value]) => value);
  }

  /** Frees the graph. What was recorded stays, but for the stacks, which hold on to the user's objects. */
  dispose(): void {
    this.graph.dispose();
    for (const node of this.nodes) for (const item of [node, ...node.outputs]) item.site = undefined;
  }

  /** A node that calls functions; `types`: names of its lists of types, of inputs and of results. */
  private call(
    op: string,
    types: readonly string[],
    called: readonly OpAttribute[],
    inputIds: readonly number[],
    results: readonly TensorKind[],
  ): TensorMetadata[] {
    const site = captureSite();
    const inputs = inputIds.map((id) => this.valueOf(id, op));
    const lists = types.map((name, at) => typeList(name, at === 0 ? inputs : results));
    const [node, attributes] = [`n${this.nodes.length}`, [...lists, ...called]];
    const operation = this.add(op, node, attributes, inputs, site);
    const outputs = results.map(({ shape, dtype }, index): RecordedValue => {
      const output = { oper: operation, index };
      this.graph.setShape(output, shape, op);
      return { name: `${node}:${index}`, shape, dtype, output, site, op };
    });
    this.nodes.push({ op, attributes, inputs, outputs, site });
    return outputs.map((value) => this.track(value));
  }

  private track(value: RecordedValue): TensorMetadata {
    const id = nextSymbolicId++;
    this.values.set(id, value);
    return { id, shape: [...value.shape], dtype: value.dtype };
  }

  private placeholder(name: string, shape: readonly number[], dtype: number): RecordedValue {
    return { name, shape, dtype, output: this.graph.placeholder(name, shape, dtype) };
  }

  private capture(tensorId: number): RecordedValue {
    const { api, status } = this.context;
    const handle = this.handles.get(tensorId, 'A recorded function uses');
    const rank = api.TFE_TensorHandleNumDims(handle, status.pointer);
    const shape = Array.from({ length: rank }, (_, axis) => api.TFE_TensorHandleDim(handle, axis, status.pointer));
    const value = this.placeholder(`c${this.captures.length}`, shape, api.TFE_TensorHandleDataType(handle));
    this.captures.push({ value, tensorId });
    this.values.set(tensorId, value);
    return value;
  }

  private constant(tensorId: number): RecordedValue {
    const { api, status } = this.context;
    const handle = this.handles.get(tensorId, 'A recorded function uses');
    const tensor = status.checked(api.TFE_TensorHandleResolve(handle, status.pointer), 'reading a constant');
    try {
      const dtype = api.TF_TensorType(tensor);
      const rank = api.TFE_TensorHandleNumDims(handle, status.pointer);
      const shape = Array.from({ length: rank }, (_, axis) => api.TFE_TensorHandleDim(handle, axis, status.pointer));
      const bytes = dtype === TF_STRING ? this.stringBytes(handle) : new Uint8Array(api.TF_TensorByteSize(tensor));
      if (dtype !== TF_STRING && bytes.length > 0) api.memcpy(bytes, api.TF_TensorData(tensor), bytes.length);
      const key =
        bytes.length <= SHARED_CONSTANT_BYTES ? `${dtype}[${shape.join()}]${Buffer.from(bytes).toString('latin1')}` : undefined;
      let value = key === undefined ? undefined : this.sharedConstants.get(key);
      if (value === undefined) {
        const name = `k${this.constants.length}`;
        value = { name, shape, dtype, output: this.graph.constant(name, dtype, tensor) };
        this.constants.push({ value, bytes });
        if (key !== undefined) this.sharedConstants.set(key, value);
      }
      this.values.set(tensorId, value);
      return value;
    } finally {
      api.TF_DeleteTensor(tensor);
    }
  }

  /** Each string's length and bytes; TensorFlow's own memory of a string holds addresses. */
  private stringBytes(handle: Pointer): Uint8Array {
    const strings = readTensor(this.context, handle) as Uint8Array[];
    return Buffer.concat(strings.flatMap((string) => [Buffer.from(`${string.length}:`), string]));
  }

  /** Whether a value has the shape that a constant of int32 tells, where −1 is what is left. */
  private hasShape({ shape }: RecordedValue, wanted: RecordedValue): boolean {
    const constant = this.constants.find(({ value }) => value === wanted);
    if (constant === undefined || wanted.dtype !== TF_INT32) return false;
    const extents = new Int32Array(constant.bytes.slice().buffer);
    return (
      extents.length === shape.length &&
      shape.every((extent, axis) => extent === extents[axis] || (extents[axis] === -1 && extent > 0))
    );
  }

  private add(
    op: string,
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly RecordedValue[],
    site: Error,
  ): Pointer {
    return this.graph.operation({ op, name, attributes, inputs: inputs.map(({ output }) => output), site });
  }

  private describeOutput(opName: string, name: string, output: GraphOutput, site: Error): RecordedValue {
    const shape = this.graph.shapeOf(output, opName);
    if ((shape === null || shape.includes(-1)) && SHAPELESS_OUTPUTS[opName] !== output.index) {
      throw new RecordError(
        'RECORD_SHAPE_UNKNOWN',
        opName,
        userLine(site),
        'The shape of a result depends on values, which are not known while a function is recorded',
        'Use an op with a fixed result shape (tf.where with three arguments, a mask), or call this one outside of compile.',
      );
    }
    return { name, shape: shape ?? [], dtype: this.graph.typeOf(output), output, site, op: opName };
  }
}

/** The error of `dataSync`, `print` and whatever else needs values. */
export function readsData(what: string): RecordError {
  const site = captureSite();
  return new RecordError(
    'RECORD_READS_DATA',
    calledFunction(site),
    userLine(site),
    `The values of ${what} are read while the function is recorded; they exist only when it runs`,
    'Return the tensor and read it after the call; choose between tensors with tf.where instead of if.',
  );
}
