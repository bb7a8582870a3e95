/** The reference network at an eighth of its width, dropout and batch norm on, as a user's module. */
import { createGluonCnn } from '../../../build/models/gluon_cnn.js';

export function createModel(tf) {
  return createGluonCnn(tf, { width: 1 / 8 });
}
