/** Owns: what a container, a unit or a scheduler lets this process have, and what it has taken already. */
import { controlGroups } from '../../system/control_groups.js';
import { coreQuota } from '../../system/cores.js';
import { availableMemory, memoryQuota } from '../../system/memory_limit.js';
import type { Check, Finding, Place } from '../check.js';
import { counted } from '../../common/counted.js';
import { gigabytes } from '../words.js';

/** TensorFlow, two replicas of a small model and their data. */
const LEAST_BYTES = 1.5e9;
const LEAST_TASKS = 256;

export const container: Check = {
  name: 'resources',
  find({ machine }): Finding[] {
    const { read, memoryBytes } = machine;
    const kind = kindOf(machine);
    const [cores, bytes] = [coreQuota(read), memoryQuota(read)];
    const [throttled, killed, tasks] = [throttling(read), kills(read), taskLimit(read)];
    const available = availableMemory(read, memoryBytes);
    const parts = [
      Number.isFinite(cores)
        ? `${counted(Number(cores.toFixed(2)), 'core')} of ${machine.parallelism}`
        : `all ${counted(machine.parallelism, 'core')}`,
      Number.isFinite(bytes) && bytes < memoryBytes
        ? `${gigabytes(bytes)} of ${gigabytes(memoryBytes)} memory`
        : `${gigabytes(memoryBytes)} memory`,
    ];
    const shown = `${kind === null ? '' : `in ${kind}: `}${parts.join(', ')}`;
    const figures = {
      kind,
      cores: Number.isFinite(cores) ? cores : null,
      memory_bytes: available,
      tasks: Number.isFinite(tasks) ? tasks : null,
      oom_kills: killed,
      throttled_share: throttled,
    };
    const found: Finding[] = [
      available < LEAST_BYTES
        ? {
            status: 'problem',
            found: shown,
            means: `TensorFlow with one replica takes about ${gigabytes(LEAST_BYTES)}: the system will end it without a word.`,
            next: 'Give it more memory (docker run --memory, resources.limits.memory, MemoryMax=, --mem).',
            figures,
          }
        : { status: 'ok', found: shown, figures },
    ];
    if (cores < 1)
      found.push({
        status: 'note',
        found: `a quota of ${cores.toFixed(2)} cores`,
        means: 'It is counted as one: a step stands still for the rest of each period.',
        next: 'Give whole cores (docker run --cpus, resources.limits.cpu, CPUQuota=).',
      });
    if (throttled !== null && throttled > 0.1)
      found.push({
        status: 'note',
        found: `stopped in ${(100 * throttled).toFixed(0)} % of its periods for its quota of cores`,
        means: 'More threads run than there are cores for them: each step waits.',
        next: 'Give more cores, or --threads-per-worker and --workers whose product is the quota.',
      });
    if (killed > 0)
      found.push({
        status: 'note',
        found: `${counted(killed, 'process', 'processes')} of this group ended for memory before`,
        means: 'A worker or replica that was gone without a word may be one of them.',
        next: 'Give more memory, or fewer --workers: each replica has its activations.',
      });
    if (tasks < LEAST_TASKS)
      found.push({
        status: 'problem',
        found: `at most ${tasks} threads and processes (pids.max)`,
        means: 'Node, TensorFlow and a replica have about a hundred threads together on a large machine.',
        next: 'Raise it (docker run --pids-limit, TasksMax=).',
      });
    return found;
  },
};

type Machine = Place['machine'];

function kindOf({ environment, folder, read }: Machine): string | null {
  if (environment.KUBERNETES_SERVICE_HOST !== undefined) return 'kubernetes';
  if (environment.SLURM_JOB_ID !== undefined) return 'slurm';
  if (folder('/run/.containerenv').exists) return 'podman';
  if (folder('/.dockerenv').exists) return 'docker';
  return /\/[^/\n]+\.service$/m.test(read('/proc/self/cgroup') ?? '') ? 'systemd' : null;
}

/** Share of periods in which the group was stopped; null where it has no quota. */
function throttling(read: Machine['read']): number | null {
  const shares = controlGroups('cpu', read).flatMap(({ folder }) => {
    const text = read(`${folder}/cpu.stat`) ?? '';
    const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? NaN);
    const share = value('nr_throttled') / value('nr_periods');
    return Number.isFinite(share) ? [share] : [];
  });
  return shares.length === 0 ? null : Math.max(...shares);
}

function kills(read: Machine['read']): number {
  const [own] = controlGroups('memory', read);
  const text = read(`${own.folder}/${own.version === 2 ? 'memory.events' : 'memory.oom_control'}`) ?? '';
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function taskLimit(read: Machine['read']): number {
  const limits = controlGroups('pids', read).map(({ folder }) => Number.parseInt(read(`${folder}/pids.max`) ?? '', 10));
  return Math.min(Infinity, ...limits.filter((limit) => Number.isFinite(limit)));
}
