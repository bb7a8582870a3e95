/**
 * Owns: why a run is as fast as it is: where a step's time went, and the one thing to change, with its figures.
 * Does not: read the run (src/cli/commands/why.ts) or measure anything anew.
 */
import type { ReplicaTime } from '../common/run_events.js';
import type { EpochRow, Phases, RunStory } from './files/run_story.js';

export interface Why {
  /** The last epochs, at most five; the first is left out where there are others: it records the step. */
  readonly epochs: readonly number[];
  /** Mean milliseconds of a step, by phase. */
  readonly phasesMs: Phases;
  readonly stepMs: number;
  /** Mean milliseconds of a step that each replica computed, all of its shards together; empty where the records do not say. */
  readonly replicas: readonly Pick<ReplicaTime, 'replica' | 'computeMs'>[];
  /** Share of an epoch's time outside its steps: evaluation and saving. */
  readonly outside: number;
  readonly change: string;
}

const LAST = 5;

/** Null where no epoch ended with its steps told. */
export function whyOf(story: RunStory): Why | null {
  const whole = story.epochs.filter(({ phases }) => Object.keys(phases).length > 0);
  const rows = (whole.length > 1 ? whole.slice(1) : whole).slice(-LAST);
  if (rows.length === 0) return null;
  const phasesMs = means(rows.map(({ phases }) => phases));
  const times = means(rows.map(({ replicas }) => replicas));
  const replicas = Object.entries(times).map(([replica, computeMs]) => ({ replica, computeMs }));
  const stepMs = Object.values(phasesMs).reduce((sum, ms) => sum + ms, 0);
  const outside = outsideOf(story, rows, stepMs);
  const where = { phasesMs, replicas, stepMs, outside };
  return { epochs: rows.map(({ epoch }) => epoch), ...where, change: changeFor(factsOf(story), where) };
}

function outsideOf(story: RunStory, rows: readonly EpochRow[], stepMs: number): number {
  const steps = (story.start?.plan as { steps_per_epoch?: number | null } | undefined)?.steps_per_epoch ?? 0;
  const epochMs = 1000 * mean(rows.map(({ seconds }) => seconds));
  return epochMs > 0 && steps > 0 ? Math.max(0, 1 - (steps * stepMs) / epochMs) : 0;
}

/** What the start of a run says of how it computes. */
export interface RunFacts {
  readonly replicas: number;
  /** Its replicas are other machines': `rack-2:cpu(0)`. */
  readonly isCluster: boolean;
  readonly precision: string;
  readonly execution: string;
  readonly instructionSet: string;
  readonly device: string;
  /** Weights to a replica and gradients from it, of a step. */
  readonly bytes: number;
  readonly shards: number;
  /** Of each replica, and as many as the model keeps busy where it computes; absent where nobody says. */
  readonly threads?: number;
  readonly busyThreads?: number;
  /** One replica in the place of several would take many steps in one call; absent where nobody says. */
  readonly joinsSteps?: boolean;
  /** Of models of its kind, in fp32 on a processor; absent where nobody says. */
  readonly fasterByXla?: boolean;
}

function factsOf({ start }: RunStory): RunFacts {
  const {
    numerics = {},
    plan = {},
    replicas = [],
  } = (start ?? {}) as {
    numerics?: Record<string, unknown>;
    plan?: Record<string, unknown>;
    replicas?: string[];
  };
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return {
    replicas: Math.max(1, replicas.length),
    isCluster: replicas.some((name) => name.includes(':')),
    precision: text(numerics.precision),
    execution: text(numerics.execution),
    instructionSet: text(numerics.instruction_set),
    device: text(numerics.device),
    bytes: Number(plan.bytes_per_replica_step ?? 0),
    shards: Number(plan.shards ?? 1),
  };
}

export type Where = Omit<Why, 'epochs' | 'change'>;

/** A step's parts as they can be changed: what replicas compute is not what the slowest shard takes, where each has several. */
export function changeFor(facts: RunFacts, where: Where): string {
  const { phasesMs, stepMs, outside } = where;
  if (outside > 0.5)
    return `${share(outside)} of an epoch's time is outside its steps: evaluate fewer examples (--validation-limit), or make saving rarer (--state-every 10m).`;
  const { replicas, shards, joinsSteps = false } = facts;
  if (joinsSteps && replicas > 1 && stepMs < SHORT_MS)
    return `A step of ${stepMs.toFixed(1)} ms is mostly the way to ${replicas} replicas and back: --workers 1 --shards ${shards} gives the same bits, and takes many steps in one call.`;
  const { data = 0, compute = 0, wait = 0, ...exchange } = phasesMs;
  const times = where.replicas.map(({ computeMs }) => computeMs);
  // Several shards of one replica come after each other: all but the longest are told as waiting.
  const computing = Math.min(compute + wait, Math.max(compute, ...times));
  const idle = compute + wait - computing;
  const uneven = times.length > 1 ? Math.min(computing, Math.max(...times)) - mean(times) : 0;
  const exchanging = Object.values(exchange).reduce((sum, ms) => sum + ms, 0);
  const of = (ms: number): string => `${share(ms / stepMs)} of a step (${ms.toFixed(1)} of ${stepMs.toFixed(1)} ms)`;
  const parts = { computing, idle, data, exchanging };
  const [largest] = Object.entries(parts).reduce((most, part) => (part[1] > most[1] ? part : most));
  if (uneven > UNEVEN * stepMs && uneven > idle) return unevenly(facts, where, of(uneven));
  if (largest === 'computing') return computingChange(facts, { computing, stepMs, part: of(computing) });
  if (largest === 'idle') return idleChange(facts, { idle, part: of(idle) });
  if (largest === 'data')
    return `Drawing the batch is ${of(data)}: keep rows in memory (--data-memory), or make what a data module does for each row cheaper.`;
  const most = Object.entries(exchange).reduce((before, part) => (part[1] > before[1] ? part : before), ['', 0] as [
    string,
    number,
  ])[0];
  return `Exchanging and applying gradients (most of it ${most}) is ${of(exchanging)}: a larger --batch makes fewer steps of the same work.`;
}

/** Below it replicas count as even: they never take the same time. */
const UNEVEN = 0.15;

function unevenly({ shards, replicas }: RunFacts, where: Where, part: string): string {
  const byTime = [...where.replicas].sort((a, b) => b.computeMs - a.computeMs);
  const [slow, fast] = [byTime[0], byTime[byTime.length - 1]];
  const who = `${slow.replica} computes ${slow.computeMs.toFixed(1)} ms of a step and ${fast.replica} ${fast.computeMs.toFixed(1)}`;
  const remedy =
    shards % replicas === 0
      ? 'give them equal devices and free cores (tfjs-parallel doctor on each machine), or leave the slow one out'
      : `${shards} shards are not shared evenly by ${replicas} replicas: a number of replicas that divides them, or --shards ${replicas * Math.ceil(shards / replicas)} in a new run`;
  return `Replicas are uneven: ${who}, so that the others stand still for ${part}. To change it, ${remedy}.`;
}

const BF16_INSTRUCTIONS = /\b(amx_bf16|avx512_bf16|bf16)\b/;
/** A step that computes less than this is mostly the way into TensorFlow and back. */
const SHORT_MS = 3;

function computingChange(
  { replicas, precision, execution, instructionSet, device, threads = 0, busyThreads = threads, fasterByXla = false }: RunFacts,
  { computing, stepMs, part }: { computing: number; stepMs: number; part: string },
): string {
  const found = `Computing is ${part}`;
  if (execution === 'eager') return `${found}, operation by operation: leave out --no-compile.`;
  if (threads > busyThreads)
    return `${found}, of a model too small for ${threads} threads a replica, which TensorFlow wakes for each product: give --threads-per-worker ${busyThreads}.`;
  const onProcessor = device.startsWith('CPU');
  const isFloat32 = precision === 'fp32' && onProcessor;
  // Which is faster by far than XLA is.
  const bf16 = isFloat32 && BF16_INSTRUCTIONS.test(instructionSet);
  if (fasterByXla && isFloat32 && !bf16 && execution === 'compiled')
    return `${found}, of dense layers, which XLA makes faster where they are small or the processor has AMX: bench --execution auto measures it, and a new run may use it.`;
  if (computing < SHORT_MS)
    return `${found}, which is mostly the way into TensorFlow and back: a larger --batch makes fewer steps of the same work.`;
  const more = replicas === 1 ? 'a second device' : `${2 * replicas} devices in place of ${replicas}`;
  const devices = `with ${more} a step takes ${(stepMs - computing / 2).toFixed(1)} ms at best`;
  if (threads < busyThreads)
    return `${found}, on ${replicas * threads} of ${replicas * busyThreads} cores: give --threads-per-worker ${busyThreads}.`;
  if (onProcessor && !bf16 && replicas === 1 && threads > 1)
    return `${found}, by one replica: --workers ${threads} --threads-per-worker 1 measures whether a replica for each core is faster.`;
  return bf16
    ? `${found}: this processor has instructions for --precision bf16, which a new run may use; ${devices}.`
    : `${found}: ${devices}.`;
}

function idleChange({ isCluster, bytes }: RunFacts, { idle, part }: { idle: number; part: string }): string {
  if (!isCluster)
    return `Waiting for the last shard is ${part}: replicas that share cores or differ in speed. Give --workers and --threads-per-worker whose product is the number of cores, and stop what else runs on this machine.`;
  const rate =
    bytes > 0 && idle > 0
      ? `, for ${bytes < 1e5 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`} to each replica and as much back`
      : '';
  return `The way between the machines is ${part}${rate}: measure it with tfjs-parallel doctor --host on a worker; a larger --batch makes fewer steps of the same work.`;
}

/** What is read, as the command prints it. */
export function whyLines({ epochs, phasesMs, replicas, stepMs, outside, change }: Why): string[] {
  const range = epochs.length === 1 ? `epoch ${epochs[0]}` : `epochs ${epochs[0]} to ${epochs[epochs.length - 1]}`;
  const times = replicas.map(({ replica, computeMs }): [string, number] => [replica, computeMs]);
  const names = [...Object.keys(phasesMs), ...times.map(([name]) => name)];
  const width = Math.max(8, ...names.map((name) => name.length));
  const row = ([name, ms]: [string, number]): string =>
    `  ${name.padEnd(width)} ${ms.toFixed(2).padStart(10)} ms ${share(ms / stepMs).padStart(7)}`;
  return [
    `a step took ${stepMs.toFixed(2)} ms, ${range}`,
    ...Object.entries(phasesMs).map(row),
    ...(times.length > 1 ? ['of it each replica computed', ...times.map(row)] : []),
    `evaluation and saving: ${share(outside)} of an epoch's time`,
    `change: ${change}`,
  ];
}

/** Of the names of the last: replicas that are gone are not to be changed. */
function means(rows: readonly Phases[]): Phases {
  const values = (name: string): number[] => rows.flatMap((row) => row[name] ?? []);
  return Object.fromEntries(Object.keys(rows[rows.length - 1]).map((name) => [name, mean(values(name))]));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const share = (part: number): string => `${(100 * part).toFixed(1)} %`;
