/** Every optimizer. A new one: its file, its row here, its test. */
import { adadelta } from './adadelta.js';
import { adagrad } from './adagrad.js';
import { adam, adamw } from './adam.js';
import { adamax } from './adamax.js';
import { rmsprop } from './rmsprop.js';
import { sgd } from './sgd.js';

export const OPTIMIZERS = { sgd, adagrad, adadelta, adam, adamw, adamax, rmsprop } as const;
