/** The reference network without dropout, as a user's module: the golden step's model. */
import { createGluonCnn } from '../../../build/models/gluon_cnn.js';

export function createModel(tf) {
  return createGluonCnn(tf, { dropout: false });
}
