/** Owns: what all parts of a replica that trains or evaluates are made from: its model, bound to the fields of a data set. */
import type * as tfjs from '@tensorflow/tfjs';
import type { Dataset } from '../../common/dataset.js';
import type { Engine } from '../../engine/index.js';
import type { Binding } from './bind_fields.js';
import type { ReplicaSpec } from './replica_spec.js';

export interface OpenedModel {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly binding: Binding;
  readonly dataset: Dataset;
  readonly spec: ReplicaSpec;
}
