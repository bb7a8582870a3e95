/** Every optimizer. A new one: its file, its row here, its test. */
import { adam, adamw } from './adam.js';
import { rmsprop } from './rmsprop.js';
import { sgd } from './sgd.js';

export const OPTIMIZERS = { sgd, adam, adamw, rmsprop } as const;
