/** Owns: a model's replicas for one call after the other: what computes with the model waits its turn, and is refused while the model is being trained. */
import type * as tfjs from '@tensorflow/tfjs';
import { ExpectedError, UsageError } from '../../common/errors.js';
import type { WarmReplicas } from './warm_replicas.js';

/** @throws UsageError FIT_BUSY */
export async function whileFree<T>(
  call: string,
  model: tfjs.LayersModel,
  warm: WarmReplicas,
  work: () => Promise<T>,
): Promise<T> {
  if (!warm.busy) return warm.inTurn(work);
  throw new UsageError({
    code: 'FIT_BUSY',
    message: `the model ${model.name} is being trained by another call, whose replicas ${call} would need`,
    next: 'Await that call first; in its callbacks use model.predict and model.evaluate, which compute in this thread.',
  });
}

/** Replicas that failed of something nobody expects are not used again. */
export async function orClosed<T>(warm: WarmReplicas, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ExpectedError)) await warm.close();
    throw error;
  }
}
