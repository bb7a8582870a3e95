/** Owns: what each device really does in two seconds: whether it computes, rightly, how fast, and on how many threads. */
import { availableCores } from '../../system/cores.js';
import type { Check, Finding, Place } from '../check.js';
import type { Computed, ComputeResult } from '../compute.js';
import { counted } from '../../common/counted.js';

const COMPUTE_MS = 2_000;
/** Threads that share cores, or wait for others, give less than this of their number. */
const POOR_SHARE = 0.6;

export const computing: Check = {
  name: 'compute',
  async find({ machine }): Promise<Finding[]> {
    const location = await machine.tensorflow().catch(() => null);
    if (location === null)
      return [
        { status: 'note', found: 'not tried: TensorFlow is not here yet', next: 'Run `tfjs-parallel doctor` again once it is.' },
      ];
    const cores = availableCores({ parallelism: machine.parallelism, read: machine.read });
    const cards = location.kind === 'cuda' ? machine.gpus().gpus.map(({ index }) => `GPU:${index}`) : [];
    const findings: Finding[] = [];
    for (const device of ['CPU:0', ...cards]) {
      const threads = device.startsWith('GPU') || cores === 1 ? [cores] : [1, cores];
      const result = await machine.compute({ device, folder: location.folder, threads, computeMs: COMPUTE_MS });
      const name = device.toLowerCase().replace(/:(\d+)/, '($1)');
      findings.push({ name: `on ${name}`, ...(result.kind === 'computed' ? judge(result, machine) : failure(result, device)) });
    }
    return findings;
  },
};

function judge(result: Computed, machine: Place['machine']): Finding {
  const { tensorflow, oneDnn, oneDnnIsa, openMs, rates, right, deviceModel } = result;
  const [fewest, most] = [rates[0], rates[rates.length - 1]];
  const speed = `${rate(most)} GFLOP/s${rates.length > 1 ? ` with ${counted(most.threads, 'thread')}, ${rate(fewest)} with one` : ''}`;
  const found = `${speed}; TensorFlow ${tensorflow} was open after ${(openMs / 1000).toFixed(1)} s, oneDNN ${oneDnn}${oneDnnIsa === '' ? '' : ` (${oneDnnIsa})`}`;
  const figures = {
    ...{ device_model: deviceModel, tensorflow, one_dnn: oneDnn, one_dnn_isa: oneDnnIsa, open_ms: Math.round(openMs), right },
    ...Object.fromEntries(rates.map(({ threads, gflops }) => [`gflops_${threads}_threads`, Number(gflops.toFixed(1))])),
  };
  if (!right)
    return {
      status: 'problem',
      found: `wrong numbers; ${found}`,
      means: 'Products of whole numbers, which are exact in float32, were not what they must be, or not the same each time.',
      next: 'Do not train on it: test its memory (memtest86+; nvidia-smi -q -d ECC), and take back what was overclocked.',
      figures,
    };
  const gain = most.gflops / fewest.gflops;
  if (most.threads > fewest.threads && gain < POOR_SHARE * most.threads)
    return {
      status: 'note',
      found,
      means: `${counted(most.threads, 'thread')} compute ${gain.toFixed(1)} times as much as one: others compute here (load ${machine.load.toFixed(1)}), or threads share cores.`,
      next: 'Stop what else runs, or compare `tfjs-parallel bench --threads-per-worker N` for fewer.',
      figures,
    };
  return { status: 'ok', found, figures };
}

const rate = ({ gflops }: { gflops: number }): string => gflops.toFixed(gflops < 10 ? 1 : 0);

const DEATHS: Readonly<Record<string, readonly [means: string, next: string]>> = {
  SIGILL: [
    'TensorFlow met an instruction that this processor, or the virtual machine around it, does not have.',
    'Pass the processor through to the virtual machine (CPU type host), or use another one.',
  ],
  SIGKILL: [
    'The system ended it, most likely for its memory.',
    "Give more memory; `dmesg` or the container's events name who was ended.",
  ],
};
const CRASH = [
  'Native code crashed, and would end a run in the same way.',
  'Run `tfjs-parallel doctor --json` and report what it printed, with the driver and the processor.',
] as const;

function failure(result: Exclude<ComputeResult, Computed>, device: string): Finding {
  if (result.kind === 'refused')
    return { status: 'problem', found: `${device} cannot be used: ${result.message}`, next: result.next };
  if (result.kind === 'hung')
    return {
      status: 'problem',
      found: `${device} gave no answer within ${result.afterMs / 1000} s`,
      means: 'The device hangs, or this machine is far too busy.',
      next: 'Look at it with `top` and `nvidia-smi`; a GPU that hangs needs a reset or a restart of the machine.',
    };
  const { signal, code, lastWords } = result;
  const [means, next] = DEATHS[signal ?? ''] ?? CRASH;
  const how = signal === null ? `with code ${code}` : `by ${signal}`;
  return {
    status: 'problem',
    found: `a process that computed on ${device} ended ${how}${lastWords === '' ? '' : `: ${lastWords}`}`,
    means,
    next,
    figures: { signal, code },
  };
}
