/** The reference network without dropout at an eighth of its width, as a user's module. */
import { createGluonCnn } from '../../../build/models/gluon_cnn.js';

export function createModel(tf) {
  return createGluonCnn(tf, { dropout: false, width: 1 / 8 });
}
