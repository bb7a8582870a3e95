/** Where a run begins whose model the caller's program trained before. */
import type { ObjectiveDescription } from '../common/objective.js';
import type { Plane, RunValues } from './planes/plane.js';
import { RunProgress } from './progress.js';

/** Of a run that goes on from what the caller's program trained before. */
export interface Beginning {
  /** Commits before it, which the optimizer's memory counts. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly orderOffset: number;
  /** Higher than any that the replicas have seen. */
  readonly version: number;
  /** All weights in layout order. */
  readonly parameters: Float32Array;
  /** The optimizer's memory; null to begin it anew. */
  readonly optimizerSlots: RunValues['optimizerSlots'] | null;
}

export async function beginAt(
  { step, epoch, orderOffset, version, parameters, optimizerSlots }: Beginning,
  { plane, objective }: { plane: Plane; objective: ObjectiveDescription },
): Promise<RunProgress> {
  const slots = optimizerSlots ?? (await plane.values()).optimizerSlots;
  await plane.restore({ version, parameters, optimizerSlots: slots });
  return RunProgress.at(objective, { step, epoch, orderOffset });
}
