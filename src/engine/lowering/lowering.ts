/**
 * Owns: changes between a recording, which is what the user's function did, and the function given to TensorFlow: types in bf16, functions in the place
 * of ops, and ops that compute nothing, put where TensorFlow's graph optimizer would otherwise do what it should not. Does not: record, or know why beyond each rule.
 *
 * Nodes are never changed: one whose inputs change is added anew, and the old one, which nothing uses then, is pruned by TensorFlow.
 */
import { TF_ATTR_SHAPE, TF_UINT32 } from '../capi/data_types.js';
import type { EngineParts } from '../backend/engine_parts.js';
import { FusedLoops, type MakeFunction, type OwnFunction } from './fused_loops.js';
import { planExactLoops } from './exact_loops.js';
import { isLarge, Uses, type Loops } from './loop_plan.js';
import { JOINED, leadingToProducts, planBfloat16, type Bfloat16Plan } from './mixed_precision.js';
import { typeAttr } from '../backend/raw_ops.js';
import { planProducts } from './convolution_products.js';
import { planPadded } from './padded_products.js';
import { WORDS_OF_BLOCK } from './philox.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';
import type { Recording } from '../compile/recording.js';
import { TypedLowering, type KeepApart } from './typed_lowering.js';
import { keepsZeros, planWinograd } from './winograd.js';

export interface Lowered {
  /** The values that the function returns. */
  readonly outputs: readonly RecordedValue[];
  /** Functions that it calls, and nothing else does. */
  readonly called: readonly OwnFunction[];
}

export interface LoweringOptions {
  /** Makes what is called in the place of ops (fused_loops.ts). */
  readonly makeFunction: MakeFunction;
  /** Element-wise ops become loops, and large convolutions of 3 × 3 pixels minimal filtering, where the context has such. */
  readonly fuse: boolean;
}

export function lower(
  parts: EngineParts,
  recording: Recording,
  outputs: readonly RecordedValue[],
  { makeFunction, fuse }: LoweringOptions,
): Lowered {
  const { nodes, forwardEnd, forXla } = recording;
  const { bfloat16, precision, winogradFrom, threads } = parts.context;
  const fuses = fuse && parts.context.fuses;
  const uses = new Uses(nodes, outputs);
  const loops = fuses || forXla ? new FusedLoops(parts, makeFunction) : null;
  const winograd = planWinograd(nodes, { uses, from: fuses ? winogradFrom : Infinity, precision });
  const inFloat32 = new Set([...winograd.values()].flat());
  const typed =
    bfloat16 === null
      ? NOTHING
      : planBfloat16(nodes, { forwardEnd, uses, oneDnnHasBfloat16: bfloat16.byOneDnn, loops: fuses, inFloat32 });
  const exact = fuses ? exactLoops(recording, typed, uses) : NOTHING.loops;
  // XLA takes some 80 MB where nothing else asks for it, for which TensorFlow's own kernel is not slow enough.
  const hasLoops = typed.loops.size + exact.size + winograd.size > 0;
  const byXla = (node: RecordedNode): boolean => forXla || (hasLoops && isLarge(node.outputs[0]));
  const plan = {
    ...typed,
    exact,
    winograd,
    keepsZeros: (convolution: RecordedNode) => keepsZeros(convolution, uses),
    threads,
    sumsByTwo: fuses,
    products: parts.context.convolvesByProducts ? planProducts(nodes, { uses, precision }) : new Set<RecordedNode>(),
    padded: parts.context.padsProducts && !forXla ? planPadded(nodes) : new Set<RecordedNode>(),
    draws: new Set(nodes.filter((node) => isDraw(node) && byXla(node))),
  };
  const lowered = new TypedLowering(recording, plan, loops, keptApart(parts, recording, uses)).lowered(outputs);
  return { outputs: lowered, called: loops?.functions ?? [] };
}

const NOTHING: Bfloat16Plan = { rounded: new Set(), bfloat16: new Set(), loops: new Map() };

/** Words of Philox, which dropout.ts alone records; XLA too draws them number by number where it is given TensorFlow's op. */
function isDraw({ op, outputs: [output] }: RecordedNode): boolean {
  return op === 'StatelessRandomUniformFullIntV2' && output.dtype === TF_UINT32 && output.shape.at(-1)! % WORDS_OF_BLOCK === 0;
}

function exactLoops({ nodes, forwardEnd }: Recording, { rounded, bfloat16 }: Bfloat16Plan, uses: Uses): Loops {
  const elsewhere = new Set([...leadingToProducts(nodes), ...rounded, ...nodes.slice(0, forwardEnd)]);
  return planExactLoops(nodes, {
    uses,
    taken: (node) => elsewhere.has(node),
    isBfloat16: (input) => bfloat16.has(input),
  });
}

/**
 * With oneDNN the remapper joins a convolution, its bias or residual and an activation even where something else needs what lies between; then it
 * fails, says so on standard error, and leaves the whole function unjoined. And it joins a convolution, a batch norm of fixed statistics and tanh to
 * an op that has no kernel for them. On a processor a bias's gradient is joined with that of the filter, which takes longer than both alone
 * (docs/benchmarks.md).
 */
function keptApart({ context }: EngineParts, recording: Recording, uses: Uses): KeepApart {
  const onProcessor = context.device.type === 'CPU';
  return ({ op, inputs: [first] }, inputs) => {
    const isJoinedWrongly = (JOINED.has(op) && uses.of(first).size > 1) || (op === 'Tanh' && first.op === 'FusedBatchNorm');
    const isJoinedSlowly =
      onProcessor && op === 'BiasAddGrad' && [...uses.of(first)].some((user) => user?.op === 'Conv2DBackpropFilter');
    if (!isJoinedWrongly && !isJoinedSlowly) return inputs;
    const shape = { name: 'shape', type: TF_ATTR_SHAPE, value: first.shape };
    return recording.additions.all('EnsureShape', [typeAttr('T', inputs[0].dtype), shape], inputs);
  };
}
