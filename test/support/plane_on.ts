/**
 * Owns: planes over replicas in threads, with the weights on the host or with the replicas, for tests that compare both.
 */
import * as tf from '@tensorflow/tfjs';
import { LIMITS } from '../../src/common/limits.js';
import type { ResidentReplica } from '../../src/common/replica.js';
import { DEFAULT_TRAIN_CONFIG, type OptimizerConfig } from '../../src/common/train_config.js';
import { ExactPlane } from '../../src/coordinator/planes/exact/exact_plane.js';
import { Fleet } from '../../src/coordinator/planes/exact/fleet/fleet.js';
import type { Advance, RunValues, StepOutcome } from '../../src/coordinator/planes/plane.js';

const never = new AbortController().signal;
export const EXAMPLES = 29;

/** Dropout, batch norm, a frozen layer and a penalty: whatever a step may carry. */
export function everything(): tf.LayersModel {
  const { layers } = tf;
  return tf.sequential({
    layers: [
      layers.conv2d({ filters: 3, kernelSize: 3, inputShape: [6, 6, 1], useBias: false }),
      layers.batchNormalization({ momentum: 0.9 }),
      layers.activation({ activation: 'tanh' }),
      layers.flatten(),
      layers.dense({ units: 16, trainable: false }),
      layers.dropout({ rate: 0.25 }),
      layers.dense({ units: 9, activation: 'relu', kernelRegularizer: tf.regularizers.l2({ l2: 0.01 }) }),
      layers.dense({ units: 4 }),
    ],
  });
}

export interface Trained {
  readonly outcomes: StepOutcome[];
  readonly values: { version: number; parameters: Float32Array; slots: Float32Array[] };
}

export interface Work {
  readonly optimizer?: Partial<OptimizerConfig>;
  readonly shards?: number;
  readonly steps?: number;
  readonly rate?: number;
}

export const copied = ({ version, parameters, optimizerSlots }: RunValues): Trained['values'] => ({
  version,
  parameters: parameters.slice(),
  slots: optimizerSlots.map(({ values }) => values.slice()),
});

let firstVersion = 0;

/** Its first version is no other run's: a thread that holds some 0 loads no other. The clock stands still unless one is given. */
export async function planeOn(
  replicas: ResidentReplica | readonly ResidentReplica[],
  where: 'host' | 'device',
  {
    optimizer = {},
    shards = 1,
    stretches = false,
    mixes = false,
    nowMs = () => 0,
  }: Pick<Work, 'optimizer' | 'shards'> & { stretches?: boolean; mixes?: boolean; nowMs?: () => number } = {},
): Promise<{ plane: ExactPlane; firstVersion: number; fleet: Fleet }> {
  const fleet = new Fleet({ nowMs: () => performance.now() });
  const all = [replicas].flat();
  all.forEach((replica) => fleet.add(replica));
  const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...optimizer };
  const resident = where === 'device' ? all : [];
  const model = await all[0].describe();
  const inOneCall = stretches ? LIMITS.stretchSteps : 1;
  const plane = new ExactPlane({ model, shards, optimizer: config, fleet, resident, inOneCall, mixes, nowMs });
  const { parameters, optimizerSlots } = await plane.values();
  await plane.restore({ version: (firstVersion += 1000), parameters, optimizerSlots });
  return { plane, firstVersion, fleet };
}

/** From the step to the end of its epoch, or to `steps`; by default batches of 12, 12 and 5. */
export function workFrom(
  step: number,
  { steps = 5, rate = 0.1, batch = 12, signal = never, pauseAt = (_after: number): number => Infinity } = {},
): Advance {
  const stepsPerEpoch = Math.ceil(EXAMPLES / batch);
  return {
    from: { step, example: (step % stepsPerEpoch) * batch },
    upTo: steps,
    pauseAt,
    rows: { seed: 3, epoch: Math.floor(step / stepsPerEpoch) + 1, examples: EXAMPLES, batch, shuffle: true },
    rates: { schedule: DEFAULT_TRAIN_CONFIG.optimizer.schedule, base: rate, stepsPerEpoch, epochs: 9 },
    signal,
  };
}

/** Epochs as many as the steps need. */
export async function advance(
  plane: ExactPlane,
  { from = 0, ...how }: Parameters<typeof workFrom>[1] & { from?: number } = {},
): Promise<StepOutcome[]> {
  const outcomes: StepOutcome[] = [];
  for (let step = from; step < (how.steps ?? 5);) {
    for await (const outcome of plane.advance(workFrom(step, how))) {
      outcomes.push(outcome);
      if (outcome.kind === 'non_finite') return outcomes;
      step += 1;
    }
  }
  return outcomes;
}

/** What steps on them tell, and the values that they lead to. */
export async function trainOn(
  replicas: Parameters<typeof planeOn>[0],
  where: 'host' | 'device',
  work: Work = {},
): Promise<Trained> {
  const { plane } = await planeOn(replicas, where, work);
  return { outcomes: await advance(plane, work), values: copied(await plane.values()) };
}

/** Of steps, all but the times. */
export const told = (outcomes: readonly StepOutcome[]): unknown[] =>
  outcomes.map((outcome) => (outcome.kind === 'committed' ? { ...outcome, ms: 0, phasesMs: 0, replicaTimes: 0 } : outcome));

/** Of six steps with an optimizer that keeps an average: what they tell, values asked for between them, evaluations, and weights put in. */
export async function seenBetweenSteps(plane: ExactPlane): Promise<unknown[]> {
  const evaluate = (): unknown => plane.evaluate({ examples: 10, batch: 12, signal: never });
  const seen: unknown[] = [];
  for (let step = 0; step < 6; step++) {
    seen.push(told(await advance(plane, { from: step, steps: step + 1 })));
    if (step === 1) seen.push(copied(await plane.values()).parameters, copied(await plane.values()).slots);
    if (step === 2 || step === 3) seen.push(await evaluate());
    if (step === 4) {
      const values = await plane.values();
      await plane.restore({ ...values, version: values.version + 1, parameters: values.parameters.map((w) => w / 2) });
    }
  }
  return [...seen, await evaluate(), await plane.model()];
}
