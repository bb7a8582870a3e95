/**
 * Owns: a tf.LayersModel as a replica is given it, built with plain tfjs in the test's own process.
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { TopologyModel } from '../../src/models/model_source.js';
import { topologyJson } from '../../src/models/topology.js';

export function topologyOf(model: tfjs.LayersModel): TopologyModel {
  return { kind: 'topology', name: model.name, topology: topologyJson(model) };
}
