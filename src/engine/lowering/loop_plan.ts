/**
 * Owns: which nodes of a recording are computed together, as one loop over their numbers. Does not: make the loops (fused_loops.ts), or choose what may stand
 * in one (mixed_precision.ts, exact_loops.ts).
 */
import { sizeOf } from '../../common/shape_size.js';
import { TF_FLOAT } from '../capi/data_types.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';

/** Numbers from which on a loop takes less time than calling it costs. */
export const LOOP_ELEMENTS = 2 ** 17;

/** What a loop computes again in the place of reading it: factors made from narrower numbers, as dropout's are from its draws. */
const REPEATED = new Set(['Cast', 'Mul', 'GreaterEqual']);
const MOST_STEPS = 4;

export interface LoopNodes {
  /** All, in an order in which they can be computed. */
  readonly nodes: readonly RecordedNode[];
  /** Those that are computed nowhere else. */
  readonly own: readonly RecordedNode[];
}

/** By a loop's last node, which alone is used elsewhere. */
export type Loops = ReadonlyMap<RecordedNode, LoopNodes>;

/**
 * A loop ends where something else needs what it gives, or what it gives has another shape: it is a tree, and gives one value. What `repeats` says of a node
 * that is large is computed in each loop that needs it, and ends none.
 */
export function loopsOf(
  nodes: readonly RecordedNode[],
  looped: ReadonlySet<RecordedNode>,
  { uses, repeats }: { readonly uses: Uses; readonly repeats: (node: RecordedNode) => boolean },
): Loops {
  const ends = new Map<RecordedNode, RecordedNode>();
  for (const node of [...nodes].reverse()) {
    if (!looped.has(node) || repeats(node)) continue;
    const [output] = node.outputs;
    const user = uses.onlyUser(output);
    const end = user !== undefined && sameShape(user.outputs[0], output) ? ends.get(user) : undefined;
    ends.set(node, end ?? node);
  }
  const own = new Map<RecordedNode, RecordedNode[]>();
  for (const node of nodes) {
    const end = ends.get(node);
    if (end !== undefined) own.set(end, [...(own.get(end) ?? []), node]);
  }
  const isRepeated = (maker: RecordedNode | undefined): maker is RecordedNode =>
    maker !== undefined && isLarge(maker.outputs[0]) && repeats(maker);
  const all = (members: readonly RecordedNode[]): RecordedNode[] => {
    const found = new Set<RecordedNode>();
    const add = (node: RecordedNode): void => {
      if (found.has(node)) return;
      node.inputs
        .map((input) => uses.maker(input))
        .filter(isRepeated)
        .forEach(add);
      found.add(node);
    };
    members.forEach(add);
    return [...found];
  };
  return new Map([...own].map(([end, members]) => [end, { own: members, nodes: all(members) }]));
}

/** Nodes that make their value, in a few cheap steps, from numbers of other types and single numbers. */
export function madeOfNarrower(nodes: readonly RecordedNode[], uses: Uses): ReadonlySet<RecordedNode> {
  const steps = new Map<RecordedNode, number>();
  for (const node of nodes) {
    // XLA makes other integers of float32 numbers beyond their range.
    if (!REPEATED.has(node.op) || (node.op === 'Cast' && node.inputs[0].dtype === TF_FLOAT)) continue;
    const before = node.inputs.map((input) => {
      if (input.dtype !== TF_FLOAT || input.shape.length === 0) return 0;
      const maker = uses.maker(input);
      return (maker && steps.get(maker)) ?? Infinity;
    });
    const all = 1 + Math.max(...before);
    if (all <= MOST_STEPS) steps.set(node, all);
  }
  return new Set(steps.keys());
}

export function isLarge({ shape }: RecordedValue): boolean {
  return sizeOf(shape) >= LOOP_ELEMENTS;
}

function sameShape(a: RecordedValue, b: RecordedValue): boolean {
  return a.shape.length === b.shape.length && a.shape.every((extent, axis) => extent === b.shape[axis]);
}

/** Who makes the values of a recording, and who uses them. */
export class Uses {
  readonly #makers = new Map<RecordedValue, RecordedNode>();
  readonly #users = new Map<RecordedValue, Set<RecordedNode | null>>();

  constructor(nodes: readonly RecordedNode[], outputs: readonly RecordedValue[]) {
    const use = (value: RecordedValue, user: RecordedNode | null): void => {
      const users = this.#users.get(value) ?? new Set();
      this.#users.set(value, users.add(user));
    };
    for (const node of nodes) {
      for (const output of node.outputs) this.#makers.set(output, node);
      for (const input of node.inputs) use(input, node);
    }
    for (const output of outputs) use(output, null);
  }

  /** Undefined for arguments, captures and constants. */
  maker(value: RecordedValue): RecordedNode | undefined {
    return this.#makers.get(value);
  }

  /** Null stands for the function's caller. */
  of(value: RecordedValue): ReadonlySet<RecordedNode | null> {
    return this.#users.get(value) ?? new Set();
  }

  /** Undefined where there are several, or the value is one that the function gives. */
  onlyUser(value: RecordedValue): RecordedNode | undefined {
    const [user, ...others] = this.of(value);
    return others.length === 0 ? (user ?? undefined) : undefined;
  }
}
