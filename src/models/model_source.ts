/**
 * Owns: how a model is named to a replica, as plain data that crosses threads.
 * Does not: build it (load.ts does, inside the replica).
 */

import type { NamedWeight } from '../common/weight_names.js';
import type { CompiledOptimizer } from '../optimizers/compiled.js';

/** A model that ships with the product. */
interface BuiltinModel {
  readonly kind: 'builtin';
  readonly name: 'gluon_cnn';
}

/** A tf.LayersModel topology, with weights or without. */
export interface TopologyModel {
  readonly kind: 'topology';
  /** For people: the file it came from. */
  readonly name: string;
  /** JSON of `modelTopology`. */
  readonly topology: string;
  /** All weights; absent: drawn from the seed. */
  readonly weights?: Float32Array;
  /** Their names, in the order they have in `weights`; absent: they are in `model.weights` order. */
  readonly manifest?: readonly NamedWeight[];
  /** Absent where it was not compiled. */
  readonly compiled?: CompiledByName;
}

/** What an object or a file was compiled with, as far as names go. */
export interface CompiledByName {
  readonly loss: string | null;
  /** Null where none were named. */
  readonly metrics: readonly string[] | null;
  readonly optimizer: CompiledOptimizer | null;
  /** As in objective/compiled.ts. */
  readonly lossWeights?: readonly string[];
  readonly unknownLoss?: string;
  readonly unknownOutputs?: readonly string[];
  readonly notes?: readonly string[];
}

/** A user's module exporting `createModel(tf)`. Local runs only: code never crosses the wire. */
interface ModuleModel {
  readonly kind: 'module';
  /** As the user wrote it. */
  readonly name: string;
  /** Absolute path. */
  readonly path: string;
}

export type ModelSource = BuiltinModel | TopologyModel | ModuleModel;
