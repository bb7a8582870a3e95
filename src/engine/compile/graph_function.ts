/**
 * Owns: a recording made callable: one TensorFlow function in the context, called like an op. Does not: know the user's structures (compile.ts).
 */
import type { EngineParts } from '../backend/engine_parts.js';
import type { OwnFunction } from '../lowering/fused_loops.js';
import { graphApi, packOutputs } from '../capi/graph_api.js';
import { lower } from '../lowering/lowering.js';
import type { OpAttribute, TensorMetadata } from '../backend/op_executor.js';
import { boolAttr } from '../backend/raw_ops.js';
import type { RecordedValue } from './recorded.js';
import type { Recording } from './recording.js';
import { TF_ATTR_STRING } from '../capi/data_types.js';

/** AttrValue of tensorflow/core/framework/attr_value.proto: its field `b` is true. */
const TRUE = Uint8Array.of(0x28, 1);

/** Function names are unique in the process: contexts of several threads share nothing, but messages should tell them apart. */
let nextFunction = 0;

export class GraphFunction {
  readonly name: string;
  /** Of a call, by itself or as a node of another function. */
  readonly attributes: readonly OpAttribute[];
  private readonly outputCount: number;
  /** What this one calls, and nothing else does. */
  private readonly called: readonly OwnFunction[];
  private disposed = false;

  /**
   * Inputs of the function: the recording's arguments, then its captures. `asRecorded`: TensorFlow rewrites nothing in it. `fuse`: as training steps
   * are (lowering.ts).
   */
  constructor(
    private readonly parts: EngineParts,
    recording: Recording,
    label: string,
    outputs: readonly RecordedValue[],
    { asRecorded = false, fuse = false } = {},
  ) {
    const { context } = parts;
    this.name = `${label.replace(/[^A-Za-z0-9_]/g, '_')}_${nextFunction++}`;
    this.outputCount = outputs.length;
    // Graph options (mixed precision) reach a function only through this attribute; the context's own configuration does not.
    this.attributes = [
      { name: 'config_proto', type: TF_ATTR_STRING, value: asRecorded ? context.asRecordedProto : context.configProto },
      ...(recording.forXla ? [boolAttr('_XlaMustCompile', true)] : []),
    ];
    const inputs = packOutputs([...recording.args, ...recording.captures.map(({ value }) => value)].map(({ output }) => output));
    const makeFunction = (loop: Recording, output: RecordedValue): GraphFunction =>
      new GraphFunction(parts, loop, `${label}_loop`, [output], { asRecorded: true });
    const lowered = asRecorded ? { outputs, called: [] } : lower(parts, recording, outputs, { makeFunction, fuse });
    this.called = lowered.called;
    try {
      this.define(recording, inputs, lowered.outputs, label);
    } catch (error) {
      for (const called of this.called) called.dispose();
      throw error;
    }
  }

  private define(recording: Recording, inputs: BigUint64Array, outputs: readonly RecordedValue[], label: string): void {
    const { api, status, pointer } = this.parts.context;
    const functions = graphApi(api);
    const packed = packOutputs(outputs.map(({ output }) => output));
    const cName = api.cString(this.name);
    const made = functions.TF_GraphToFunction(
      recording.graph.pointer,
      cName,
      0,
      -1,
      null,
      inputs.length / 2,
      inputs,
      outputs.length,
      packed,
      null,
      null,
      null,
      status.pointer,
    );
    const graphFunction = status.checked(made, `making the function ${label}`);
    try {
      // Called by another function it stays a function of its own, which TensorFlow rewrites and XLA compiles as it is.
      functions.TF_FunctionSetAttrValueProto(graphFunction, api.cString('_noinline'), TRUE, TRUE.length, status.pointer);
      status.check(`marking the function ${label}`);
      functions.TFE_ContextAddFunction(pointer, graphFunction, status.pointer);
      status.check(`adding the function ${label}`);
    } finally {
      functions.TF_DeleteFunction(graphFunction);
    }
  }

  call(inputIds: readonly number[]): TensorMetadata[] {
    return this.parts.binding.executor.execute(this.name, this.attributes, inputIds, this.outputCount);
  }

  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    const { api, pointer, status, alive } = this.parts.context;
    // A context takes its functions with it.
    if (!alive) return;
    graphApi(api).TFE_ContextRemoveFunction(pointer, api.cString(this.name), status.pointer);
    status.check(`removing the function ${this.name}`);
    for (const called of this.called) called.dispose();
  }
}
