export { createMasked as createModel } from './layer_walk.mjs';
