import type * as tfjs from '@tensorflow/tfjs';

export const FEATURES: number;
export function createModel(tf: typeof tfjs): tfjs.LayersModel;
