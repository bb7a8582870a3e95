/** Owns: whether TensorFlow will compute with oneDNN here, by whose choice, and what it is held to. `compute` tells what it did. */
import { turnsOneDnnOn } from '../../common/numerics_class.js';
import { instructionSet } from '../../engine/tensorflow/instruction_set.js';
import type { Check, Finding } from '../check.js';

const CLASS = 'Bits of results differ between on and off: one run, and one cluster, is of one kind (docs/reproducibility.md).';

export const oneDnn: Check = {
  name: 'onednn',
  async find({ machine }): Promise<Finding[]> {
    const { oneDnnCeiling, wantsOneDnn } = await import('../../engine/tensorflow/one_dnn.js');
    const cpuinfo = machine.read('/proc/cpuinfo') ?? '';
    const instructions = instructionSet(cpuinfo);
    const ceiling = oneDnnCeiling(machine.environment, cpuinfo);
    const asked = machine.environment.TF_ENABLE_ONEDNN_OPTS;
    const [use, by] = choice();
    const figures = { fp32: use, held_to: ceiling };
    const findings: Finding[] = [
      {
        status: asked === undefined ? 'ok' : 'note',
        found: `${use} in float32, ${by}`,
        ...(asked !== undefined && { means: CLASS }),
        figures,
      },
    ];
    if (ceiling !== '')
      findings.push({
        status: 'note',
        found: `held to ${ceiling} by ONEDNN_MAX_CPU_ISA, below what the processor has`,
        means: `Matrix products are slower, with oneDNN off too. ${CLASS}`,
        next: 'Unset ONEDNN_MAX_CPU_ISA, unless a run of a lesser machine is to be continued here.',
      });
    return findings;

    function choice(): ['on' | 'off', string] {
      if (asked !== undefined) return [/^(1|true)$/i.test(asked) ? 'on' : 'off', `by TF_ENABLE_ONEDNN_OPTS=${asked}`];
      if (!instructions.startsWith('x64')) return ['off', 'as TensorFlow has it on this kind of processor'];
      if (turnsOneDnnOn(instructions)) return ['on', 'as TensorFlow has it with instructions for neural networks'];
      if (wantsOneDnn({}, instructions)) return ['on', 'by us, as it is faster here (docs/benchmarks.md); off in bf16'];
      return ['off', 'as TensorFlow has it without AVX2'];
    }
  },
};
