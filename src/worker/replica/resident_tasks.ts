/**
 * Owns: the tasks of a thread whose weights stay on its device: beginning that, a shard of a step, the end of one that others share, values for the host.
 * Does not: compute the step (resident.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import { invariant } from '../../common/errors.js';
import { sumSpecs } from '../../common/objective.js';
import type { GatheredStep, HostValues, Residence, ResidentOutcome } from '../../common/resident.js';
import { RecordError } from '../../engine/index.js';
import { onExamples } from './model_fails.js';
import type { ReplicaTask, ShardAnswer } from './replica_spec.js';
import { judgedIn, load, readSums, times, trainingFeed, type ReplicaState } from './replica_state.js';
import { Resident } from './resident.js';
import type { ShardSumsOnDevice } from './resident_functions.js';
import { readStretch } from './read_stretch.js';
import type { StretchFeed } from './stretch_feed.js';
import type { Feed } from './train_step.js';

const NOTHING = new Float32Array(0);

export function reside(replica: ReplicaState, residence: Residence): null {
  const { engine, model, layout, spec } = replica;
  const { train, hearGraph, objective } = judgedIn(replica);
  const sums = sumSpecs(objective.description).length;
  replica.refused = null;
  if (replica.resident?.serves(residence, train)) {
    replica.resident.forget();
    return null;
  }
  replica.resident?.dispose();
  replica.resident = new Resident({ engine, model, layout, residence, spec, sums }, train, hearGraph);
  return null;
}

export function writeValues(replica: ReplicaState, version: number, into: HostValues): null {
  invariant(!isClosing(replica), 'nobody waits for this replica any more');
  invariant(holds(replica, version), 'values are asked of a replica that holds them');
  replica.resident.versions.write(into);
  return null;
}

export function dropAfter(replica: ReplicaState, version: number): null {
  if (replica.resident?.versions.dropAfter(version)) replica.loadedVersion = version;
  return null;
}

export async function trainResident(
  replica: ReplicaState,
  { shard, work, early }: Extract<ReplicaTask, { type: 'train_resident' }>,
): Promise<ShardAnswer | null> {
  const { engine, resident } = replica;
  const begin = performance.now();
  const { version } = shard;
  invariant(resident !== null, 'a replica is told to reside before its first step');
  const isHere = resident.versions.leadsTo(version) && (resident.versions.held !== version || replica.loadedVersion === version);
  if (early && !isHere) return null;
  beginFrom(replica, version, work.from, { early: early && (work.lends || work.keepsBefore) });
  let feed: Feed | StretchFeed[] | undefined;
  let answer: Pick<ShardAnswer, 'lossSum' | 'sums'> | undefined;
  try {
    if (replica.refused !== null) throw replica.refused;
    if (work.then.length > 0 || (resident.stretchesAll && !work.lends && work.shards.length === 1)) {
      const given = (feed = await readStretch(replica, shard, work));
      const [first, ...then] = onExamples(() => resident.computeStretch(given, shard, work));
      return { ...first, then, ...times(replica, begin) };
    }
    const args = (feed = await trainingFeed(replica, shard));
    const read = ({ loss, sums }: ShardSumsOnDevice): number => {
      answer = { lossSum: loss.dataSync()[0], sums: readSums(sums) };
      engine.tf.dispose([loss, ...sums]);
      return answer.lossSum;
    };
    const done = onExamples(() =>
      work.lends
        ? { lent: resident.lend(args, shard, read) }
        : { resident: resident.compute(args, shard, work, read) ?? undefined },
    );
    invariant(answer !== undefined, 'a shard has a loss');
    return { ...answer, ...done, ...times(replica, begin) };
  } catch (error) {
    // Who asks for it will hear of it: what a function no longer does is found once.
    if (early) {
      if (error instanceof RecordError) replica.refused = error;
      return null;
    }
    leaveBehind(replica, version, work.rescue);
    throw error;
  } finally {
    engine.tf.dispose(feed as unknown as tfjs.TensorContainer);
  }
}

export function gather(replica: ReplicaState, work: GatheredStep): ResidentOutcome {
  const { resident } = replica;
  const { version } = work;
  invariant(resident !== null, 'a replica is told to reside before its first step');
  // What others lent may be gone by now.
  invariant(!isClosing(replica), 'nobody waits for this replica any more');
  beginFrom(replica, version, work.from);
  try {
    return resident.gather(work);
  } catch (error) {
    leaveBehind(replica, version, work.rescue);
    throw error;
  }
}

/** Weights and slots of this version: those that are here, else the host's. */
function beginFrom(replica: ReplicaState, version: number, from: HostValues, how: { early?: boolean } = {}): void {
  const { resident } = replica;
  const isOnHost = from.version[0] === version;
  load(replica, { version, parameters: isOnHost ? from.parameters : NOTHING }, how);
  if (resident === null || resident.versions.held === version) return;
  invariant(isOnHost, 'a replica is given the values that it does not hold');
  resident.versions.takeSlots(version, from.slots);
}

/** Whether this version's values are here; what was computed last already stays then: it may be asked for next. */
function holds(replica: ReplicaState, version: number): replica is ReplicaState & { resident: Resident } {
  const { resident } = replica;
  if (resident === null) return false;
  if (resident.versions.held !== version && resident.versions.settle(version)) replica.loadedVersion = version;
  return replica.loadedVersion === version && resident.versions.held === version;
}

/** This replica will be closed, and maybe nobody else has these values. One that is closed already, after which the run went on, leaves nothing. */
function leaveBehind(replica: ReplicaState, version: number, into: HostValues): void {
  if (!isClosing(replica) && holds(replica, version)) replica.resident.versions.write(into);
}

function isClosing({ closing }: ReplicaState): boolean {
  return Atomics.load(closing, 0) === 1;
}
