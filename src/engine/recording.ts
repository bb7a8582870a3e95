/**
 * Owns: one recording: the ops a function called, as data (nodes, constants, captures) and, alongside, as a TensorFlow graph that tells their
 * shapes. Does not: run the function (record.ts), make it callable (graph_function.ts) or print it (printer.ts).
 */
import type { Pointer } from './c_api.js';
import type { Context } from './context.js';
import { setGraphAttribute } from './graph_attributes.js';
import { graphApi, inputArguments, packOutputs, type GraphApi, type GraphOutput, type InputArgument } from './graph_api.js';
import type { Handles } from './handles.js';
import type { OpAttribute, TensorMetadata } from './op_executor.js';
import { FIRST_SYMBOLIC_ID, isSymbolic, type OpRecorder } from './op_recorder.js';
import { calledFunction, captureSite, RecordError, symbolicOutside, userLine } from './record_error.js';
import { TF_STRING } from './data_types.js';
import { TensorFlowError, type Status } from './status.js';
import { readTensor } from './tensors.js';

/** A tensor of the recorded function. */
export interface RecordedValue {
  /** `a0` argument, `c0` capture, `k0` constant, `n0` or `n0:1` output of a node. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: number;
  readonly output: GraphOutput;
  /** Where the user made it; gone when the recording is disposed. */
  site?: Error;
  readonly op?: string;
}

export interface RecordedNode {
  readonly op: string;
  readonly attributes: readonly OpAttribute[];
  readonly inputs: readonly RecordedValue[];
  readonly outputs: readonly RecordedValue[];
  /** Where the user called it; gone when the recording is disposed. */
  site?: Error;
}

export interface RecordedConstant {
  readonly value: RecordedValue;
  /** The values as TensorFlow holds them; of strings, lengths and bytes. */
  readonly bytes: Uint8Array;
}

export interface RecordedCapture {
  readonly value: RecordedValue;
  /** The real tensor it stood for when recorded. */
  readonly tensorId: number;
}

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
  readonly graph: Pointer;
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

  private readonly functions: GraphApi;
  private readonly status: Status;
  private readonly values = new Map<number, RecordedValue>();
  private readonly madeInside = new Set<number>();
  private readonly sharedConstants = new Map<string, RecordedValue>();
  private inserted = 0;
  private readonly signatures = new Map<string, readonly InputArgument[]>();

  /** `readable` throws for a real tensor whose value may differ at the next call: a variable's. */
  constructor(
    private readonly context: Context,
    private readonly handles: Handles,
    private readonly readable: (tensorId: number) => void,
    readonly forXla: boolean,
  ) {
    this.functions = graphApi(context.api);
    this.status = context.status;
    this.graph = this.functions.TF_NewGraph();
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
    const name = `n${this.nodes.length}`;
    const operation = this.addOperation(opName, name, attributes, inputs, site);
    const outputs = Array.from({ length: outputCount }, (_, index) =>
      this.describeOutput(opName, outputCount === 1 ? name : `${name}:${index}`, { oper: operation, index }, site),
    );
    this.nodes.push({ op: opName, attributes, inputs, outputs, site });
    return outputs.map((value) => this.track(value));
  }

  /** Adds an op to the graph alone, beside what was recorded (lowering.ts). */
  insert(opName: string, attributes: readonly OpAttribute[], inputs: readonly RecordedValue[], outputCount = 1): RecordedValue[] {
    const site = captureSite();
    const operation = this.addOperation(opName, `l${this.inserted++}`, attributes, inputs, site);
    return Array.from({ length: outputCount }, (_, index) => {
      const output = { oper: operation, index };
      return { name: '', shape: [], dtype: this.functions.TF_OperationOutputType(output), output, op: opName };
    });
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
    this.functions.TF_DeleteGraph(this.graph);
    for (const node of this.nodes) for (const item of [node, ...node.outputs]) item.site = undefined;
  }

  private track(value: RecordedValue): TensorMetadata {
    const id = nextSymbolicId++;
    this.values.set(id, value);
    return { id, shape: [...value.shape], dtype: value.dtype };
  }

  private placeholder(name: string, shape: readonly number[], dtype: number): RecordedValue {
    const { api } = this.context;
    const description = this.functions.TF_NewOperation(this.graph, api.cString('Placeholder'), api.cString(name));
    this.functions.TF_SetAttrType(description, api.cString('dtype'), dtype);
    this.functions.TF_SetAttrShape(description, api.cString('shape'), BigInt64Array.from(shape, BigInt), shape.length);
    return { name, shape, dtype, output: { oper: this.finish(description, 'Placeholder'), index: 0 } };
  }

  private capture(tensorId: number): RecordedValue {
    const { api } = this.context;
    const handle = this.handles.get(tensorId, 'A recorded function uses');
    const rank = api.TFE_TensorHandleNumDims(handle, this.status.pointer);
    const shape = Array.from({ length: rank }, (_, axis) => api.TFE_TensorHandleDim(handle, axis, this.status.pointer));
    const value = this.placeholder(`c${this.captures.length}`, shape, api.TFE_TensorHandleDataType(handle));
    this.captures.push({ value, tensorId });
    this.values.set(tensorId, value);
    return value;
  }

  private constant(tensorId: number): RecordedValue {
    const { api } = this.context;
    const handle = this.handles.get(tensorId, 'A recorded function uses');
    const tensor = this.status.checked(api.TFE_TensorHandleResolve(handle, this.status.pointer), 'reading a constant');
    try {
      const dtype = api.TF_TensorType(tensor);
      const rank = api.TFE_TensorHandleNumDims(handle, this.status.pointer);
      const shape = Array.from({ length: rank }, (_, axis) => api.TFE_TensorHandleDim(handle, axis, this.status.pointer));
      const bytes = dtype === TF_STRING ? this.stringBytes(handle) : new Uint8Array(api.TF_TensorByteSize(tensor));
      if (dtype !== TF_STRING && bytes.length > 0) api.memcpy(bytes, api.TF_TensorData(tensor), bytes.length);
      const key =
        bytes.length <= SHARED_CONSTANT_BYTES ? `${dtype}[${shape.join()}]${Buffer.from(bytes).toString('latin1')}` : undefined;
      let value = key === undefined ? undefined : this.sharedConstants.get(key);
      if (value === undefined) {
        const name = `k${this.constants.length}`;
        const description = this.functions.TF_NewOperation(this.graph, api.cString('Const'), api.cString(name));
        this.functions.TF_SetAttrType(description, api.cString('dtype'), dtype);
        this.functions.TF_SetAttrTensor(description, api.cString('value'), tensor, this.status.pointer);
        this.status.check('Const');
        value = { name, shape, dtype, output: { oper: this.finish(description, 'Const'), index: 0 } };
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

  private addOperation(
    opName: string,
    name: string,
    attributes: readonly OpAttribute[],
    inputs: readonly RecordedValue[],
    site: Error,
  ): Pointer {
    const { api } = this.context;
    try {
      const signature = this.signatureOf(opName);
      const description = this.functions.TF_NewOperation(this.graph, api.cString(opName), api.cString(name));
      // As eagerly, the type of what is given counts, not what a kernel says of it: tfjs-node's Mean says the type before a cast.
      const inferred = new Set<string>();
      let next = 0;
      for (const argument of signature) {
        const length = listLength(argument, attributes, inputs.length - (signature.length - 1));
        if (length !== 0) inferred.add(argument.typeAttr);
        if (length === undefined) this.functions.TF_AddInput(description, inputs[next++].output);
        else {
          const list = inputs.slice(next, next + length).map(({ output }) => output);
          this.functions.TF_AddInputList(description, packOutputs(list), list.length);
          next += length;
        }
      }
      for (const attribute of attributes)
        if (!inferred.has(attribute.name)) setGraphAttribute(api, description, opName, attribute);
      return this.finish(description, opName);
    } catch (error) {
      if (!(error instanceof TensorFlowError)) throw error;
      throw new RecordError('RECORD_OP', opName, userLine(site), error.tfMessage, 'Correct the arguments of this op.', error);
    }
  }

  private signatureOf(opName: string): readonly InputArgument[] {
    let signature = this.signatures.get(opName);
    if (signature === undefined) {
      signature = inputArguments(this.context.api, this.graph, opName, this.status);
      this.signatures.set(opName, signature);
    }
    return signature;
  }

  private finish(description: Pointer, opName: string): Pointer {
    return this.status.checked(this.functions.TF_FinishOperation(description, this.status.pointer), opName);
  }

  private describeOutput(opName: string, name: string, output: GraphOutput, site: Error): RecordedValue {
    const dtype = this.functions.TF_OperationOutputType(output);
    const rank = this.functions.TF_GraphGetTensorNumDims(this.graph, output, this.status.pointer);
    this.status.check(opName);
    const dimensions = new BigInt64Array(Math.max(rank, 0));
    if (rank > 0) this.functions.TF_GraphGetTensorShape(this.graph, output, dimensions, rank, this.status.pointer);
    const shape = Array.from(dimensions, Number);
    if ((rank < 0 || shape.includes(-1)) && SHAPELESS_OUTPUTS[opName] !== output.index) {
      throw new RecordError(
        'RECORD_SHAPE_UNKNOWN',
        opName,
        userLine(site),
        'The shape of a result depends on values, which are not known while a function is recorded',
        'Use an op with a fixed result shape (tf.where with three arguments, a mask), or call this one outside of compile.',
      );
    }
    return { name, shape, dtype, output, site, op: opName };
  }
}

/** Number of tensors of a list input; undefined for a single tensor. `rest` is what remains if it is the op's only list. */
function listLength(argument: InputArgument, attributes: readonly OpAttribute[], rest: number): number | undefined {
  if (argument.numberAttr === '' && argument.typeListAttr === '') return undefined;
  const given = attributes.find(({ name }) => name === argument.numberAttr || name === argument.typeListAttr)?.value;
  if (typeof given === 'number') return given;
  return Array.isArray(given) ? given.length : rest;
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
