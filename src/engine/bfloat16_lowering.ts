/**
 * Owns: a recording as it is computed in bf16: types, casts between them, and calls of loops in the place of what they compute.
 * Does not: choose what is bfloat16 (mixed_precision.ts).
 */
import { TF_BFLOAT16, TF_FLOAT } from './data_types.js';
import type { LoopFunction, FusedLoops } from './fused_loops.js';
import { LOOP_ELEMENTS, type Bfloat16Plan } from './mixed_precision.js';
import { boolAttr, typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue, Recording } from './recording.js';

/** Changes inputs of a node, as for any function (lowering.ts). */
type Apart = (node: RecordedNode, inputs: readonly RecordedValue[]) => readonly RecordedValue[];

export class Bfloat16Lowering {
  /** What stands for a recorded value, in its type there, and in the other type where that was asked for. */
  readonly #current = new Map<RecordedValue, RecordedValue>();
  readonly #other = new Map<RecordedValue, RecordedValue>();

  /** `loops`: null where there are none. */
  constructor(
    private readonly recording: Recording,
    private readonly plan: Bfloat16Plan,
    private readonly loops: FusedLoops | null,
    private readonly apart: Apart,
  ) {}

  /** Gives what the function returns instead of `outputs`, in their types. */
  lowered(outputs: readonly RecordedValue[]): RecordedValue[] {
    const { rounded, loops, inside } = this.plan;
    for (const node of this.recording.nodes) {
      const loop = loops.get(node);
      if (loop !== undefined) this.#callLoop(loop, node.outputs[0]);
      else if (!inside.has(node)) this.#lower(node, rounded.has(node) ? TF_BFLOAT16 : TF_FLOAT);
    }
    return outputs.map((output) => this.#as(output, TF_FLOAT));
  }

  #lower(node: RecordedNode, dtype: number): void {
    const { op, attributes, outputs } = node;
    if (op === 'BiasAddGrad' && this.#addNeighbours(node)) return;
    const types = this.recording.graph.typeAttributes(op, attributes, node.inputs.length);
    const main = types[node.inputs.findIndex((input, at) => input.dtype === TF_FLOAT && types[at] !== '')];
    const inputs = this.apart(
      node,
      node.inputs.map((input, at) => this.#as(input, types[at] === main && types[at] !== '' ? dtype : TF_FLOAT)),
    );
    if (inputs.every((input, at) => input === node.inputs[at])) return;
    const made = this.recording.insert(op, attributes, inputs, outputs.length);
    outputs.forEach((output, at) => this.#current.set(output, made[at]));
  }

  #callLoop(nodes: readonly RecordedNode[], result: RecordedValue): void {
    const inside = new Set(nodes.flatMap(({ outputs }) => outputs));
    const inputs = [...new Set(nodes.flatMap((node) => node.inputs))].filter((input) => !inside.has(input));
    const loop = this.loops!.elementWise(nodes, inputs, (input) => this.#value(input).dtype);
    this.#current.set(
      result,
      this.#call(
        loop,
        inputs.map((input) => this.#value(input)),
      ),
    );
  }

  /** A sum over all rows by two: of neighbours, then of what is left. */
  #addNeighbours({ op, attributes, inputs: [input], outputs: [output] }: RecordedNode): boolean {
    const size = input.shape.reduce((product, extent) => product * extent, 1);
    if (this.loops === null || !this.#isBfloat16(input) || size < LOOP_ELEMENTS) return false;
    const loop = this.loops.sumOfNeighbours(input);
    if (loop === null) return false;
    const [sum] = this.recording.insert(op, attributes, [this.#call(loop, [this.#value(input)])]);
    this.#current.set(output, sum);
    return true;
  }

  #call({ called, result }: LoopFunction, inputs: readonly RecordedValue[]): RecordedValue {
    return this.recording.insertCall(called, inputs, result);
  }

  #as(value: RecordedValue, dtype: number): RecordedValue {
    const current = this.#value(value);
    if (value.dtype !== TF_FLOAT || current.dtype === dtype) return current;
    const known = this.#other.get(value);
    if (known !== undefined) return known;
    const types = [typeAttr('SrcT', current.dtype), typeAttr('DstT', dtype), boolAttr('Truncate', false)];
    const [cast] = this.recording.insert('Cast', types, [current]);
    this.#other.set(value, cast);
    return cast;
  }

  #isBfloat16(value: RecordedValue): boolean {
    return this.#value(value).dtype === TF_BFLOAT16;
  }

  #value(value: RecordedValue): RecordedValue {
    return this.#current.get(value) ?? value;
  }
}
