/**
 * Owns: changes between a recording, which is what the user's function did, and the function given to TensorFlow: types in bf16, and ops that compute
 * nothing, put where TensorFlow's graph optimizer would otherwise do what it should not. Does not: record, or know why beyond each rule.
 *
 * Nodes are never changed: one whose inputs change is added anew, and the old one, which nothing uses then, is pruned by TensorFlow.
 */
import { TF_ATTR_SHAPE } from './data_types.js';
import type { EngineParts } from './engine_parts.js';
import { FusedLoops, type MakeFunction, type OwnFunction } from './fused_loops.js';
import { planExactLoops } from './exact_loops.js';
import { Uses, type Loops } from './loop_plan.js';
import { leadingToProducts, planBfloat16, type Bfloat16Plan } from './mixed_precision.js';
import { typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue, Recording } from './recording.js';
import { TypedLowering } from './typed_lowering.js';

/** Activations that TensorFlow's remapper joins with what comes before, without asking who else needs that. */
const JOINED = new Set(['Relu', 'Relu6', 'Elu', 'LeakyRelu']);

export interface Lowered {
  /** The values that the function returns. */
  readonly outputs: readonly RecordedValue[];
  /** Functions that it calls, and nothing else does. */
  readonly called: readonly OwnFunction[];
}

/** `makeLoop`: how element-wise ops become loops (fused_loops.ts); null where they stay. */
export function lower(
  parts: EngineParts,
  recording: Recording,
  outputs: readonly RecordedValue[],
  makeLoop: MakeFunction | null,
): Lowered {
  const { nodes, forwardEnd } = recording;
  const { bfloat16, fuses } = parts.context;
  const uses = new Uses(nodes, outputs);
  const loops = makeLoop !== null && fuses ? new FusedLoops(parts, makeLoop) : null;
  const typed =
    bfloat16 === null
      ? NOTHING
      : planBfloat16(nodes, { forwardEnd, uses, oneDnnHasBfloat16: bfloat16.byOneDnn, loops: loops !== null });
  const plan = { ...typed, exact: loops === null ? NOTHING.loops : exactLoops(nodes, typed, uses) };
  const lowered = new TypedLowering(recording, plan, loops, keptApart(recording, outputs)).lowered(outputs);
  return { outputs: lowered, called: loops?.functions ?? [] };
}

const NOTHING: Bfloat16Plan = { rounded: new Set(), bfloat16: new Set(), loops: new Map() };

function exactLoops(nodes: readonly RecordedNode[], { rounded, bfloat16 }: Bfloat16Plan, uses: Uses): Loops {
  const leading = leadingToProducts(nodes);
  return planExactLoops(nodes, {
    uses,
    taken: (node) => leading.has(node) || rounded.has(node),
    isBfloat16: (input) => bfloat16.has(input),
  });
}

type KeepApart = (node: RecordedNode, inputs: readonly RecordedValue[]) => readonly RecordedValue[];

/**
 * With oneDNN the remapper joins a convolution, its bias or residual and an activation even where something else needs what lies between; then it
 * fails, says so on standard error, and leaves the whole function unjoined. And it joins a convolution, a batch norm of fixed statistics and tanh to
 * an op that has no kernel for them.
 */
function keptApart(recording: Recording, outputs: readonly RecordedValue[]): KeepApart {
  const users = countUsers(recording.nodes, outputs);
  return ({ op, inputs: [first] }, inputs) => {
    const isJoinedWrongly = (JOINED.has(op) && (users.get(first) ?? 0) > 1) || (op === 'Tanh' && first.op === 'FusedBatchNorm');
    if (!isJoinedWrongly) return inputs;
    const shape = { name: 'shape', type: TF_ATTR_SHAPE, value: first.shape };
    return recording.insert('EnsureShape', [typeAttr('T', inputs[0].dtype), shape], inputs);
  };
}

function countUsers(nodes: readonly RecordedNode[], outputs: readonly RecordedValue[]): Map<RecordedValue, number> {
  const users = new Map<RecordedValue, number>();
  for (const value of [...outputs, ...nodes.flatMap(({ inputs }) => inputs)]) users.set(value, (users.get(value) ?? 0) + 1);
  return users;
}
