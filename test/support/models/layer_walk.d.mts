import type * as tfjs from '@tensorflow/tfjs';

export interface Branch {
  readonly name: string;
  readonly frozen: boolean;
}
export const CASES: Readonly<Record<string, unknown>>;
export function branches(tf: typeof tfjs): Branch[];
export function branch(tf: typeof tfjs, entry: tfjs.SymbolicTensor, one: Branch): tfjs.SymbolicTensor;
export function createModel(tf: typeof tfjs): tfjs.LayersModel;
export function createMasked(tf: typeof tfjs): tfjs.LayersModel;
