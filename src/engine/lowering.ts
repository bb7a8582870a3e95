/**
 * Owns: changes between a recording, which is what the user's function did, and the function given to TensorFlow: ops that compute nothing, put where
 * TensorFlow's graph optimizer would otherwise do what it should not. Does not: record, or know why beyond each rule.
 *
 * Nodes are never changed: one whose inputs change is added anew, and the old one, which nothing uses then, is pruned by TensorFlow.
 */
import { TF_ATTR_SHAPE, TF_FLOAT } from './data_types.js';
import { FLOAT32_BARRIER, float32Inputs, needsFloat32Throughout } from './mixed_precision.js';
import { typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue, Recording } from './recording.js';

/** Activations that TensorFlow's remapper joins with what comes before, without asking who else needs that. */
const JOINED = new Set(['Relu', 'Relu6', 'Elu', 'LeakyRelu']);

/** Gives the values that the function returns instead of `outputs`. */
export function lower(recording: Recording, outputs: readonly RecordedValue[], precision: 'fp32' | 'bf16'): RecordedValue[] {
  const { nodes } = recording;
  const users = countUsers(nodes, outputs);
  const needsFloat32 = precision === 'bf16' ? float32Inputs(nodes, recording.forwardEnd) : () => false;
  const replaced = new Map<RecordedValue, RecordedValue>();
  const barriers = new Map<RecordedValue, RecordedValue>();
  const current = (value: RecordedValue): RecordedValue => replaced.get(value) ?? value;
  const float32 = (value: RecordedValue): RecordedValue => {
    const barrier = barriers.get(value) ?? recording.insert(FLOAT32_BARRIER, [typeAttr('T', value.dtype)], [current(value)])[0];
    barriers.set(value, barrier);
    return barrier;
  };

  for (const node of nodes) {
    const isFloat32 = precision === 'bf16' && needsFloat32Throughout(node);
    let inputs = node.inputs.map((input) =>
      needsFloat32(node, input) || (isFloat32 && input.dtype === TF_FLOAT) ? float32(input) : current(input),
    );
    // With oneDNN the remapper joins a convolution, its bias or residual and an activation even where something else needs what lies between;
    // then it fails, says so on standard error, and leaves the whole function unjoined. And it joins a convolution, a batch norm of fixed statistics
    // and tanh to an op that has no kernel for them.
    const [first] = node.inputs;
    const isJoinedWrongly =
      (JOINED.has(node.op) && (users.get(first) ?? 0) > 1) || (node.op === 'Tanh' && first.op === 'FusedBatchNorm');
    if (isJoinedWrongly) {
      const shape = { name: 'shape', type: TF_ATTR_SHAPE, value: first.shape };
      inputs = recording.insert('EnsureShape', [typeAttr('T', first.dtype), shape], inputs);
    }
    if (inputs.every((input, index) => input === node.inputs[index])) continue;
    const made = recording.insert(node.op, node.attributes, inputs, node.outputs.length);
    node.outputs.forEach((output, index) => {
      const [barred] = isFloat32
        ? recording.insert(FLOAT32_BARRIER, [typeAttr('T', output.dtype)], [made[index]])
        : [made[index]];
      replaced.set(output, barred);
    });
  }
  return outputs.map(current);
}

function countUsers(nodes: readonly RecordedNode[], outputs: readonly RecordedValue[]): Map<RecordedValue, number> {
  const users = new Map<RecordedValue, number>();
  for (const value of [...outputs, ...nodes.flatMap(({ inputs }) => inputs)]) users.set(value, (users.get(value) ?? 0) + 1);
  return users;
}
