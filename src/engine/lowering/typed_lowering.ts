/**
 * Owns: a recording as it is computed: in bf16 its types and the casts between them, calls of loops and of draws, products and minimal filtering in the place
 * of what they compute, and ops that keep others apart. Does not: choose them (mixed_precision.ts, loop_plan.ts, convolution_products.ts, winograd.ts, lowering.ts).
 */
import { invariant } from '../../common/errors.js';
import { sizeOf } from '../../common/shape_size.js';
import { TF_BFLOAT16, TF_FLOAT, TF_INT32, TF_UINT32, TF_UINT64 } from '../capi/data_types.js';
import type { FusedLoops, LoopFunction } from './fused_loops.js';
import { isLarge, type LoopNodes, type Loops } from './loop_plan.js';
import { FLOAT32_BARRIER } from './mixed_precision.js';
import type { GraphAdditions } from '../compile/graph_additions.js';
import { insertPadded, withMoreColumns } from './padded_products.js';
import { insertProduct } from './product_ops.js';
import { WORDS_OF_BLOCK } from './philox.js';
import { insertWinograd } from './winograd_ops.js';
import { bitcastAttrs, castAttrs, typeAttr } from '../backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';
import type { Recording } from '../compile/recording.js';

/** The inputs of a node, behind what keeps TensorFlow's graph optimizer from joining it with them. */
export type KeepApart = (node: RecordedNode, inputs: readonly RecordedValue[]) => readonly RecordedValue[];

export interface LoweringPlan {
  /** Takes and gives bfloat16. */
  readonly rounded: ReadonlySet<RecordedNode>;
  /** Loops that give bfloat16, and those with the bits of their nodes. */
  readonly loops: Loops;
  readonly exact: Loops;
  /** Words of Philox that a function of XLA's draws. */
  readonly draws: ReadonlySet<RecordedNode>;
  /** Convolutions that are computed as products of matrices, where they are none of the next. */
  readonly products: ReadonlySet<RecordedNode>;
  /** Products of matrices that are computed with more columns. */
  readonly padded: ReadonlySet<RecordedNode>;
  /** Convolutions that are computed by minimal filtering, by the first node of each group. */
  readonly winograd: ReadonlyMap<RecordedNode, readonly RecordedNode[]>;
  readonly keepsZeros: (convolution: RecordedNode) => boolean;
  readonly threads: number;
  /** Whether large sums over all rows are taken by two. */
  readonly sumsByTwo: boolean;
}

export class TypedLowering {
  /** What stands for a recorded value, in its type there, and in the other type where that was asked for. */
  readonly #current = new Map<RecordedValue, RecordedValue>();
  readonly #other = new Map<RecordedValue, RecordedValue>();
  readonly #padded = new Map<RecordedValue, RecordedValue>();
  #madeZero: RecordedValue | undefined;
  readonly #add: GraphAdditions;

  /** `loops`: null where there are none. */
  constructor(
    private readonly recording: Recording,
    private readonly plan: LoweringPlan,
    private readonly loops: FusedLoops | null,
    private readonly keepApart: KeepApart,
  ) {
    this.#add = recording.additions;
  }

  /** Gives what the function returns instead of `outputs`, in their types. */
  lowered(outputs: readonly RecordedValue[]): RecordedValue[] {
    const { rounded, loops, exact, draws, winograd } = this.plan;
    const inside = new Set([
      ...[...loops.values(), ...exact.values()].flatMap(({ own }) => own),
      ...[...winograd.values()].flat(),
    ]);
    for (const node of this.recording.nodes) {
      const [loop, exactLoop, convolutions] = [loops.get(node), exact.get(node), winograd.get(node)];
      if (loop !== undefined) this.#callLoop('elementWise', loop, node);
      else if (exactLoop !== undefined) this.#callLoop('exact', exactLoop, node);
      else if (convolutions !== undefined) this.#convolve(convolutions);
      else if (draws.has(node)) this.#draw(node);
      else if (!inside.has(node)) this.#lower(node, rounded.has(node) ? TF_BFLOAT16 : TF_FLOAT);
    }
    return outputs.map((output) => this.#as(output, TF_FLOAT));
  }

  #lower(node: RecordedNode, dtype: number): void {
    const { op, attributes, outputs } = node;
    if (op === 'BiasAddGrad' && this.#addNeighbours(node)) return;
    const types = this.recording.graph.typeAttributes(op, attributes, node.inputs.length);
    const main = types[node.inputs.findIndex((input, at) => input.dtype === TF_FLOAT && types[at] !== '')];
    const inputs = this.keepApart(
      node,
      node.inputs.map((input, at) => this.#as(input, types[at] === main && types[at] !== '' ? dtype : TF_FLOAT)),
    );
    const [isProduct, isPadded] = [this.plan.products.has(node), this.plan.padded.has(node)];
    if (!isProduct && !isPadded && inputs.every((input, at) => input === node.inputs[at])) return;
    const made = isProduct
      ? [insertProduct(this.#add, node, inputs)]
      : isPadded
        ? [insertPadded(this.#add, node, { first: inputs[0], padded: this.#withMoreColumns(inputs[1]) })]
        : this.#add.all(op, attributes, inputs, { outputCount: outputs.length });
    outputs.forEach((output, at) => this.#current.set(output, made[at]));
  }

  /** Once for all products, as those of a recurrent layer's steps. */
  #withMoreColumns(matrix: RecordedValue): RecordedValue {
    const padded = this.#padded.get(matrix) ?? withMoreColumns(this.#add, matrix);
    this.#padded.set(matrix, padded);
    return padded;
  }

  #callLoop(kind: 'elementWise' | 'exact', { nodes }: LoopNodes, { outputs: [result] }: RecordedNode): void {
    invariant(this.loops !== null, 'loops are planned where there are such');
    const inside = new Set(nodes.flatMap(({ outputs }) => outputs));
    const inputs = [...new Set(nodes.flatMap((node) => node.inputs))].filter((input) => !inside.has(input));
    const loop = this.loops[kind](nodes, inputs, (input) => this.#value(input).dtype);
    const given = inputs.map((input) => this.#value(input));
    this.#current.set(result, this.#call(loop, kind === 'exact' ? [...given, this.#zero()] : given));
  }

  /** 0 as int32, behind an op: as a constant TensorFlow might put it into the function that it is given to. */
  #zero(): RecordedValue {
    this.#madeZero ??= this.#add.one(
      FLOAT32_BARRIER,
      [typeAttr('T', TF_INT32)],
      [this.#add.constant([], TF_INT32, Int32Array.of(0))],
    );
    return this.#madeZero;
  }

  /** A sum over all rows by two: of neighbours, then of what is left. */
  #addNeighbours({ op, attributes, inputs: [input], outputs: [output] }: RecordedNode): boolean {
    if (this.loops === null || !this.plan.sumsByTwo || !isLarge(input) || this.#value(input).dtype !== TF_BFLOAT16) return false;
    const loop = this.loops.sumOfNeighbours(input);
    if (loop === null) return false;
    this.#current.set(output, this.#add.one(op, attributes, [this.#call(loop, [this.#value(input)])]));
    return true;
  }

  /** The same words as the op's, by another function. */
  #draw({ inputs: [, key, counter], outputs: [output] }: RecordedNode): void {
    invariant(this.loops !== null, 'draws are planned where there are such functions');
    const blocks = sizeOf(output.shape) / WORDS_OF_BLOCK;
    const pairs = this.#call(this.loops.words(blocks), [this.#value(key), this.#value(counter)]);
    const words = this.#add.one('Bitcast', bitcastAttrs(TF_UINT64, TF_UINT32), [pairs]);
    this.#current.set(output, this.#add.reshape(words, output.shape));
  }

  #convolve(nodes: readonly RecordedNode[]): void {
    invariant(this.loops !== null, 'minimal filtering is planned where there are such functions');
    const inputs = nodes.map((node) => node.inputs.map((input) => this.#value(input)));
    const { threads, keepsZeros } = this.plan;
    const made = insertWinograd(this.#add, this.loops, nodes, { inputs, threads, keepsZeros: keepsZeros(nodes[0]) });
    nodes.forEach(({ outputs: [output] }, at) => this.#current.set(output, made[at]));
  }

  #call({ called, result }: LoopFunction, inputs: readonly RecordedValue[]): RecordedValue {
    return this.#add.call(called, inputs, result);
  }

  #as(value: RecordedValue, dtype: number): RecordedValue {
    const current = this.#value(value);
    if (value.dtype !== TF_FLOAT || current.dtype === dtype) return current;
    const known = this.#other.get(value);
    if (known !== undefined) return known;
    const cast = this.#add.one('Cast', castAttrs(current.dtype, dtype), [current]);
    this.#other.set(value, cast);
    return cast;
  }

  #value(value: RecordedValue): RecordedValue {
    return this.#current.get(value) ?? value;
  }
}
