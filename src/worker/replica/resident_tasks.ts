/**
 * Owns: the tasks of a thread whose weights stay on its device: beginning that, a shard of a step, values for the host.
 * Does not: compute the step (resident.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { performance } from 'node:perf_hooks';
import { invariant } from '../../common/errors.js';
import type { HostValues, Residence } from '../../common/resident.js';
import { onExamples } from './model_fails.js';
import type { ReplicaTask, ShardAnswer } from './replica_spec.js';
import { judgedIn, load, readSums, times, trainingFeed, type ReplicaState } from './replica_state.js';
import { Resident, type Feed } from './resident.js';

const NOTHING = new Float32Array(0);

export function reside(replica: ReplicaState, residence: Residence): null {
  const { engine, model, layout, spec } = replica;
  const { train, hearGraph } = judgedIn(replica);
  replica.resident = new Resident({ engine, model, layout, residence, spec }, train, hearGraph);
  return null;
}

export function writeValues(replica: ReplicaState, version: number, into: HostValues): null {
  const { resident } = replica;
  // What was computed from it already stays: it may be asked for next.
  if (resident?.version !== version && resident?.settle(version)) replica.loadedVersion = version;
  const isHere = resident !== null && replica.loadedVersion === version && resident.version === version;
  invariant(isHere, 'values are asked of a replica that holds them');
  resident.write(into);
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
  const isHere = resident.leadsTo(version) && (resident.version !== version || replica.loadedVersion === version);
  if (early && !isHere) return null;
  load(replica, { version, parameters: work.from.version[0] === version ? work.from.parameters : NOTHING });
  if (resident.version !== version) resident.takeSlots(version, work.from.slots);
  let feed: Feed | undefined;
  let answer: Pick<ShardAnswer, 'lossSum' | 'sums'> | undefined;
  try {
    const args = (feed = await trainingFeed(replica, shard));
    const outcome = onExamples(() =>
      resident.compute(args, shard, work, ({ loss, sums }) => {
        answer = { lossSum: loss.dataSync()[0], sums: readSums(sums) };
        engine.tf.dispose([loss, ...sums]);
        return answer.lossSum;
      }),
    );
    invariant(answer !== undefined, 'a shard has a loss');
    return { ...answer, ...(outcome !== null && { resident: outcome }), ...times(replica, begin) };
  } catch (error) {
    // Who asks for it will hear of it.
    if (early) return null;
    // Nobody else has these values, and this replica will be closed.
    writeValues(replica, version, work.rescue);
    throw error;
  } finally {
    engine.tf.dispose(feed as unknown as tfjs.TensorContainer);
  }
}
