/**
 * Owns: the TensorFlow graph that grows beside a recording and infers its shapes. Does not: know tensors of tfjs or what was recorded (recording.ts).
 */
import { invariant } from '../../common/errors.js';
import type { Pointer } from '../capi/c_api.js';
import type { Context } from '../capi/context.js';
import { setGraphAttribute } from './graph_attributes.js';
import { graphApi, inputArguments, packOutputs, type GraphApi, type GraphOutput, type InputArgument } from '../capi/graph_api.js';
import type { OpAttribute } from '../backend/op_executor.js';
import type { TensorKind } from '../backend/op_recorder.js';
import { RecordError, userLine } from './record_error.js';
import { TensorFlowError, type Status } from '../capi/status.js';

interface AddedOperation {
  readonly op: string;
  /** Unique in the graph. */
  readonly name: string;
  readonly attributes: readonly OpAttribute[];
  readonly inputs: readonly GraphOutput[];
  /** Is computed before it, though it takes nothing from it. */
  readonly after?: GraphOutput;
  /** Where the user called it. */
  readonly site: Error;
}

export class RecordedGraph {
  readonly pointer: Pointer;
  private readonly functions: GraphApi;
  private readonly status: Status;
  private readonly signatures = new Map<string, readonly InputArgument[]>();

  constructor(private readonly context: Context) {
    this.functions = graphApi(context.api);
    this.status = context.status;
    this.pointer = this.functions.TF_NewGraph();
  }

  placeholder(name: string, shape: readonly number[], dtype: number): GraphOutput {
    const { api } = this.context;
    const description = this.functions.TF_NewOperation(this.pointer, api.cString('Placeholder'), api.cString(name));
    this.functions.TF_SetAttrType(description, api.cString('dtype'), dtype);
    this.functions.TF_SetAttrShape(description, api.cString('shape'), BigInt64Array.from(shape, BigInt), shape.length);
    return { oper: this.finish(description, 'Placeholder'), index: 0 };
  }

  /** `tensor`: a TF_Tensor, copied. */
  constant(name: string, dtype: number, tensor: Pointer): GraphOutput {
    const { api } = this.context;
    const description = this.functions.TF_NewOperation(this.pointer, api.cString('Const'), api.cString(name));
    this.functions.TF_SetAttrType(description, api.cString('dtype'), dtype);
    this.functions.TF_SetAttrTensor(description, api.cString('value'), tensor, this.status.pointer);
    this.status.check('Const');
    return { oper: this.finish(description, 'Const'), index: 0 };
  }

  /** Of numbers in JavaScript's memory. */
  constantOf(name: string, { shape, dtype }: TensorKind, values: ArrayBufferView): GraphOutput {
    const { api } = this.context;
    const dimensions = BigInt64Array.from(shape, BigInt);
    const tensor = api.TF_AllocateTensor(dtype, dimensions, shape.length, values.byteLength);
    invariant(tensor !== null, 'a small constant has memory');
    api.memcpy(api.TF_TensorData(tensor), values, values.byteLength);
    const output = this.constant(name, dtype, tensor);
    api.TF_DeleteTensor(tensor);
    return output;
  }

  /** @throws RecordError RECORD_OP where TensorFlow refuses it */
  operation({ op, name, attributes, inputs, after, site }: AddedOperation): Pointer {
    const { api } = this.context;
    try {
      const signature = this.signatureOf(op);
      const description = this.functions.TF_NewOperation(this.pointer, api.cString(op), api.cString(name));
      const { elsewhere } = this.context;
      if (elsewhere?.ops.has(op)) this.functions.TF_SetDevice(description, api.cString(elsewhere.device));
      if (after !== undefined) this.functions.TF_AddControlInput(description, after.oper);
      // As eagerly, the type of what is given counts, not what a kernel says of it: tfjs-node's Mean says the type before a cast.
      const inferred = new Set<string>();
      let next = 0;
      for (const argument of signature) {
        const length = listLength(argument, attributes, inputs.length - (signature.length - 1));
        if (length !== 0) inferred.add(argument.typeAttr);
        if (length === undefined) this.functions.TF_AddInput(description, inputs[next++]);
        else {
          const list = inputs.slice(next, next + length);
          this.functions.TF_AddInputList(description, packOutputs(list), list.length);
          next += length;
        }
      }
      for (const attribute of attributes) if (!inferred.has(attribute.name)) setGraphAttribute(api, description, op, attribute);
      return this.finish(description, op);
    } catch (error) {
      if (!(error instanceof TensorFlowError)) throw error;
      throw new RecordError('RECORD_OP', op, userLine(site), error.tfMessage, 'Correct the arguments of this op.', error);
    }
  }

  /** Names of the attributes that tell the types of an op's inputs; empty for inputs of a fixed type or in a list of types. */
  typeAttributes(op: string, attributes: readonly OpAttribute[], inputCount: number): string[] {
    const signature = this.signatureOf(op);
    return signature.flatMap((argument) =>
      Array<string>(listLength(argument, attributes, inputCount - (signature.length - 1)) ?? 1).fill(argument.typeAttr),
    );
  }

  typeOf(output: GraphOutput): number {
    return this.functions.TF_OperationOutputType(output);
  }

  /** As TensorFlow infers it, with -1 for an extent that it does not know; null where it does not know the rank. */
  shapeOf(output: GraphOutput, op: string): number[] | null {
    const rank = this.functions.TF_GraphGetTensorNumDims(this.pointer, output, this.status.pointer);
    this.status.check(op);
    if (rank < 0) return null;
    const dimensions = new BigInt64Array(rank);
    if (rank > 0) this.functions.TF_GraphGetTensorShape(this.pointer, output, dimensions, rank, this.status.pointer);
    return Array.from(dimensions, Number);
  }

  /** Of what TensorFlow does not infer and we know. */
  setShape(output: GraphOutput, shape: readonly number[], op: string): void {
    const dimensions = BigInt64Array.from(shape, BigInt);
    this.functions.TF_GraphSetTensorShape(this.pointer, output, dimensions, shape.length, this.status.pointer);
    this.status.check(op);
  }

  dispose(): void {
    this.functions.TF_DeleteGraph(this.pointer);
  }

  private signatureOf(op: string): readonly InputArgument[] {
    let signature = this.signatures.get(op);
    if (signature === undefined) {
      signature = inputArguments(this.context.api, this.pointer, op, this.status);
      this.signatures.set(op, signature);
    }
    return signature;
  }

  private finish(description: Pointer, op: string): Pointer {
    return this.status.checked(this.functions.TF_FinishOperation(description, this.status.pointer), op);
  }
}

/** Number of tensors of a list input; undefined for a single tensor. `rest` is what remains if it is the op's only list. */
function listLength(argument: InputArgument, attributes: readonly OpAttribute[], rest: number): number | undefined {
  if (argument.numberAttr === '' && argument.typeListAttr === '') return undefined;
  const given = attributes.find(({ name }) => name === argument.numberAttr || name === argument.typeListAttr)?.value;
  if (typeof given === 'number') return given;
  return Array.isArray(given) ? given.length : rest;
}
