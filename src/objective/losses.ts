/** Owns: the table of losses. A loss is a file and a row here. */
import { sigmoidCrossEntropyFromLogits, softmaxCrossEntropyFromLogits } from './from_logits.js';
import { huber } from './huber.js';
import type { Loss } from './loss.js';
import { meanSquaredError } from './mean_squared_error.js';
import { sigmoidCrossEntropy } from './sigmoid_cross_entropy.js';
import { softmaxCrossEntropy } from './softmax_cross_entropy.js';
import { hingeLoss, logLoss } from './tf_losses.js';
import { TFJS_LOSSES } from './tfjs_losses.js';

export const LOSSES: Readonly<Record<string, Loss>> = {
  softmax_cross_entropy: softmaxCrossEntropy,
  sigmoid_cross_entropy: sigmoidCrossEntropy,
  mean_squared_error: meanSquaredError,
  huber,
  softmax_cross_entropy_from_logits: softmaxCrossEntropyFromLogits,
  sigmoid_cross_entropy_from_logits: sigmoidCrossEntropyFromLogits,
  hinge_loss: hingeLoss,
  log_loss: logLoss,
  ...TFJS_LOSSES,
};

/** Other names of the same, tfjs's short ones among them. */
export const LOSS_ALIASES: Readonly<Record<string, string>> = {
  meanSquaredError: 'mean_squared_error',
  mse: 'mean_squared_error',
  mae: 'meanAbsoluteError',
  mape: 'meanAbsolutePercentageError',
  msle: 'meanSquaredLogarithmicError',
  kld: 'kullbackLeiblerDivergence',
  cosine: 'cosineProximity',
};
