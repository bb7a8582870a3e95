/**
 * Owns: changes between a recording, which is what the user's function did, and the function given to TensorFlow: types in bf16, and ops that compute
 * nothing, put where TensorFlow's graph optimizer would otherwise do what it should not. Does not: record, or know why beyond each rule.
 *
 * Nodes are never changed: one whose inputs change is added anew, and the old one, which nothing uses then, is pruned by TensorFlow.
 */
import { Bfloat16Lowering } from './bfloat16_lowering.js';
import { TF_ATTR_SHAPE } from './data_types.js';
import type { EngineParts } from './engine_parts.js';
import { FusedLoops, type MakeFunction, type OwnFunction } from './fused_loops.js';
import { planBfloat16 } from './mixed_precision.js';
import { typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue, Recording } from './recording.js';

/** Activations that TensorFlow's remapper joins with what comes before, without asking who else needs that. */
const JOINED = new Set(['Relu', 'Relu6', 'Elu', 'LeakyRelu']);

export interface Lowered {
  /** The values that the function returns. */
  readonly outputs: readonly RecordedValue[];
  /** Functions that it calls, and nothing else does. */
  readonly called: readonly OwnFunction[];
}

/** `makeLoop`: how, in bf16, element-wise ops become loops (fused_loops.ts); null where they stay. */
export function lower(
  parts: EngineParts,
  recording: Recording,
  outputs: readonly RecordedValue[],
  makeLoop: MakeFunction | null,
): Lowered {
  const { bfloat16 } = parts.context;
  const apart = keptApart(recording, outputs);
  if (bfloat16 === null) return { outputs: lowerFloat32(recording, outputs, apart), called: [] };
  const loops = makeLoop !== null && bfloat16.fuses ? new FusedLoops(parts, makeLoop) : null;
  const plan = planBfloat16(recording.nodes, {
    ...{ forwardEnd: recording.forwardEnd, outputs },
    ...{ oneDnnHasBfloat16: bfloat16.byOneDnn, loops: loops !== null },
  });
  const lowered = new Bfloat16Lowering(recording, plan, loops, apart).lowered(outputs);
  return { outputs: lowered, called: loops?.functions ?? [] };
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

function lowerFloat32(recording: Recording, outputs: readonly RecordedValue[], apart: KeepApart): RecordedValue[] {
  const replaced = new Map<RecordedValue, RecordedValue>();
  const current = (value: RecordedValue): RecordedValue => replaced.get(value) ?? value;
  for (const node of recording.nodes) {
    const inputs = apart(node, node.inputs.map(current));
    if (inputs.every((input, index) => input === node.inputs[index])) continue;
    const made = recording.insert(node.op, node.attributes, inputs, node.outputs.length);
    node.outputs.forEach((output, index) => replaced.set(output, made[index]));
  }
  return outputs.map(current);
}

function countUsers(nodes: readonly RecordedNode[], outputs: readonly RecordedValue[]): Map<RecordedValue, number> {
  const users = new Map<RecordedValue, number>();
  for (const value of [...outputs, ...nodes.flatMap(({ inputs }) => inputs)]) users.set(value, (users.get(value) ?? 0) + 1);
  return users;
}
