/** Owns: the processor: its instructions, by which TensorFlow picks kernels, and whether it is free. */
import { instructionSet, oneDnnHasBfloat16 } from '../../engine/tensorflow/instruction_set.js';
import { coreQuota } from '../../system/cores.js';
import type { Check, Finding } from '../check.js';
import { counted } from '../../common/counted.js';

/** Beyond it others compute on this machine too. */
const BUSY = 0.5;

export const processor: Check = {
  name: 'processor',
  find({ machine }): Finding[] {
    const cpuinfo = machine.read('/proc/cpuinfo') ?? '';
    const model = /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1].trim() ?? machine.platform.arch;
    const threads = machine.parallelism;
    const cores = coresOf(cpuinfo);
    const features = instructionSet(cpuinfo);
    const shown = `${model}, ${counted(threads, 'thread')}${cores === null || cores >= threads ? '' : ` of ${counted(cores, 'core')}`}, ${features}`;
    const figures = { model, threads, cores, instruction_set: features, load: machine.load, bfloat16: bf16(features, cpuinfo) };
    return [instructions(), ...load(), ...governor()];

    function instructions(): Finding {
      if (machine.platform.arch === 'x64' && cpuinfo !== '' && !/^flags\s*:.*\bavx\b/m.test(cpuinfo))
        return {
          status: 'problem',
          found: shown,
          means: "It has no AVX, which TensorFlow's builds are made for: the first operation ends the process.",
          next: 'Use another machine; in a virtual machine, pass the processor through to it (CPU type host).',
          figures,
        };
      if (machine.platform.arch === 'x64' && cpuinfo !== '' && !/\bavx2\b/.test(features))
        return { status: 'note', found: shown, means: 'Without AVX2 matrix products take several times as long.', figures };
      return { status: 'ok', found: shown, means: BF16[bf16(features, cpuinfo)], figures };
    }

    function load(): Finding[] {
      const free = Math.min(threads, coreQuota(machine.read));
      if (machine.load <= BUSY * free) return [];
      return [
        {
          status: 'note',
          found: `load ${machine.load.toFixed(1)} on ${counted(threads, 'thread')}`,
          means: 'Others compute here: steps take longer, and replicas wait for the slowest.',
          next: 'See what runs with `top`; give --threads-per-worker or --workers for the cores that are left.',
          figures: { load: machine.load, threads },
        },
      ];
    }

    function governor(): Finding[] {
      const name = machine.read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor')?.trim();
      if (name !== 'powersave' && name !== 'conservative') return [];
      const driver = machine.read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_driver')?.trim() ?? '';
      // Their `powersave` goes as fast as it is asked to.
      if (name === 'powersave' && /pstate/.test(driver)) return [];
      return [
        {
          status: 'note',
          found: `its frequency governor is ${name}`,
          means: 'It stays at low clock rates.',
          next: 'Run `sudo cpupower frequency-set -g performance` where speed counts.',
        },
      ];
    }
  },
};

type Bfloat16 = 'fast' | 'emulated' | 'none';

const BF16: Record<Bfloat16, string> = {
  fast: '--precision bf16 is fast here.',
  emulated: '--precision bf16 works here and is no faster than fp32.',
  none: '--precision bf16 is not offered here.',
};

function bf16(features: string, cpuinfo: string): Bfloat16 {
  if (/\b(amx_bf16|avx512_bf16|bf16)\b/.test(features)) return 'fast';
  return oneDnnHasBfloat16(cpuinfo) ? 'emulated' : 'none';
}

/** Physical cores; null where the system does not tell. */
function coresOf(cpuinfo: string): number | null {
  const seen = new Set<string>();
  for (const block of cpuinfo.split(/\n\s*\n/)) {
    const package_ = /^physical id\s*:\s*(\d+)/m.exec(block)?.[1];
    const core = /^core id\s*:\s*(\d+)/m.exec(block)?.[1];
    if (package_ !== undefined && core !== undefined) seen.add(`${package_} ${core}`);
  }
  return seen.size === 0 ? null : seen.size;
}
