/**
 * Owns: the part of TensorFlow's C API that builds graphs and functions (tensorflow/c/c_api.h), and what it says of an op's inputs.
 * Does not: record (recording.ts) or call functions (graph_function.ts).
 */
import koffi from 'koffi';
import protobuf from 'protobufjs/light.js';
import { bindFunctions, bindOnce, type CApi, type FunctionTable, type Pointer } from './c_api.js';
import type { Status } from './status.js';

const GRAPH_FUNCTIONS = {
  TF_NewGraph: ['pointer'],
  TF_DeleteGraph: ['void', 'pointer'],
  TF_NewOperation: ['pointer', 'pointer', 'pointer', 'pointer'],
  TF_SetDevice: ['void', 'pointer', 'pointer'],
  TF_AddControlInput: ['void', 'pointer', 'pointer'],
  TF_AddInputList: ['void', 'pointer', 'buffer', 'int'],
  TF_SetAttrString: ['void', 'pointer', 'pointer', 'buffer', 'size'],
  TF_SetAttrInt: ['void', 'pointer', 'pointer', 'int64'],
  TF_SetAttrIntList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TF_SetAttrFloat: ['void', 'pointer', 'pointer', 'float'],
  TF_SetAttrFloatList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TF_SetAttrBool: ['void', 'pointer', 'pointer', 'bool'],
  TF_SetAttrBoolList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TF_SetAttrType: ['void', 'pointer', 'pointer', 'int'],
  TF_SetAttrTypeList: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TF_SetAttrShape: ['void', 'pointer', 'pointer', 'buffer', 'int'],
  TF_SetAttrFuncName: ['void', 'pointer', 'pointer', 'buffer', 'size'],
  TF_SetAttrTensor: ['void', 'pointer', 'pointer', 'pointer', 'pointer'],
  TF_FinishOperation: ['nullable', 'pointer', 'pointer'],
  TF_GraphGetOpDef: ['void', 'pointer', 'pointer', 'pointer', 'pointer'],
  TF_GraphToGraphDef: ['void', 'pointer', 'pointer', 'pointer'],
  TF_NewBuffer: ['pointer'],
  TF_DeleteBuffer: ['void', 'pointer'],
  TF_GraphToFunction: [
    'nullable', // the function
    'pointer', // graph
    'pointer', // name
    'bool', // append a hash to the name
    'int', // operations: -1 for all
    'buffer',
    'int', // inputs
    'buffer',
    'int', // outputs
    'buffer',
    'buffer', // output names
    'buffer', // options
    'buffer', // description
    'pointer', // status
  ],
  TF_FunctionSetAttrValueProto: ['void', 'pointer', 'pointer', 'buffer', 'size', 'pointer'],
  TF_DeleteFunction: ['void', 'pointer'],
  TFE_ContextAddFunction: ['void', 'pointer', 'pointer', 'pointer'],
  TFE_ContextRemoveFunction: ['void', 'pointer', 'pointer', 'pointer'],
} as const satisfies FunctionTable;

/** TF_Output: one output of one operation. */
export interface GraphOutput {
  oper: Pointer;
  index: number;
}

/** Gives or takes the extents of an output. */
type ShapeCall = (graph: Pointer, output: GraphOutput, dimensions: BigInt64Array, rank: number, status: Pointer) => void;

function bindGraphFunctions(api: CApi) {
  const output = koffi.struct({ oper: 'void *', index: 'int' });
  const { library } = api;
  const shapeCall = (name: string): ShapeCall =>
    library.func(name, 'void', ['void *', output, 'void *', 'int', 'void *']) as ShapeCall;
  return {
    ...bindFunctions(library, GRAPH_FUNCTIONS),
    TF_AddInput: library.func('TF_AddInput', 'void', ['void *', output]) as (operation: Pointer, input: GraphOutput) => void,
    TF_OperationOutputType: library.func('TF_OperationOutputType', 'int', [output]) as (output: GraphOutput) => number,
    TF_GraphGetTensorNumDims: library.func('TF_GraphGetTensorNumDims', 'int', ['void *', output, 'void *']) as (
      graph: Pointer,
      output: GraphOutput,
      status: Pointer,
    ) => number,
    TF_GraphSetTensorShape: shapeCall('TF_GraphSetTensorShape'),
    TF_GraphGetTensorShape: shapeCall('TF_GraphGetTensorShape'),
  };
}

export type GraphApi = ReturnType<typeof bindGraphFunctions>;

export const graphApi: (api: CApi) => GraphApi = bindOnce(bindGraphFunctions);

/** An array of TF_Output as C lays it out: 16 bytes each. */
export function packOutputs(outputs: readonly GraphOutput[]): BigUint64Array {
  const packed = new BigUint64Array(2 * outputs.length);
  outputs.forEach(({ oper, index }, at) => {
    packed[2 * at] = oper;
    packed[2 * at + 1] = BigInt(index);
  });
  return packed;
}

/** One declared input of an op: a single tensor, or a list whose length an attribute gives. */
export interface InputArgument {
  name: string;
  /** Name of the attribute with its type, which TensorFlow infers from what is given; empty for a fixed type or a list of types. */
  typeAttr: string;
  /** Name of the attribute with the list's length; empty for a single tensor. */
  numberAttr: string;
  /** Name of the attribute with the list's types; empty for lists of one type. */
  typeListAttr: string;
}

/** tensorflow/core/framework/op_def.proto, the fields used. */
const OpDef = protobuf.Root.fromJSON({
  nested: {
    ArgDef: {
      fields: {
        name: { type: 'string', id: 1 },
        typeAttr: { type: 'string', id: 4 },
        numberAttr: { type: 'string', id: 5 },
        typeListAttr: { type: 'string', id: 6 },
      },
    },
    OpDef: { fields: { name: { type: 'string', id: 1 }, inputArg: { rule: 'repeated', type: 'ArgDef', id: 2 } } },
  },
}).lookupType('OpDef');

/** Bytes at the start of TF_Buffer: data and length. */
const BUFFER_HEAD_BYTES = 16;

/** The declared inputs of an op. Throws TensorFlow's error for a name it does not have. */
export function inputArguments(api: CApi, graph: Pointer, opName: string, status: Status): readonly InputArgument[] {
  const bytes = written(api, (functions, buffer) => {
    functions.TF_GraphGetOpDef(graph, api.cString(opName), buffer, status.pointer);
    status.check(opName);
  });
  return (OpDef.decode(bytes) as unknown as { inputArg: InputArgument[] }).inputArg;
}

/** A graph as TensorFlow keeps it in files: GraphDef of tensorflow/core/framework/graph.proto, values of constants included. */
export function graphDefOf(api: CApi, graph: Pointer, status: Status): Uint8Array {
  return written(api, (functions, buffer) => {
    functions.TF_GraphToGraphDef(graph, buffer, status.pointer);
    status.check('writing the graph');
  });
}

/** A copy of what is written into a TF_Buffer. */
function written(api: CApi, write: (functions: GraphApi, buffer: Pointer) => void): Uint8Array {
  const functions = graphApi(api);
  const buffer = functions.TF_NewBuffer();
  try {
    write(functions, buffer);
    const head = new BigUint64Array(BUFFER_HEAD_BYTES / 8);
    api.memcpy(head, buffer, BUFFER_HEAD_BYTES);
    const bytes = new Uint8Array(Number(head[1]));
    if (bytes.length > 0) api.memcpy(bytes, head[0], bytes.length);
    return bytes;
  } finally {
    functions.TF_DeleteBuffer(buffer);
  }
}
