/** Owns: replicas in contexts of their own that can keep all weights each: two of the three have the same device, and two are treated as GPUs are. */
import type { Dataset } from '../../src/common/dataset.js';
import type { LocalReplica } from '../../src/worker/replica/local_replica.js';
import { everything } from './plane_on.js';
import { openReplica } from './replica_under_test.js';
import { topologyOf } from './topology.js';

const DEVICES = [
  { device: 'CPU:0', isApart: true },
  { device: 'CPU:1', isApart: true },
  { device: 'CPU:0', isApart: false },
];

/** Three: `cpu(0)`, `cpu(1)` and `cpu(2)`. */
export function replicasApart(dataset: Dataset): Promise<LocalReplica[]> {
  return Promise.all(
    DEVICES.map((how, at) =>
      openReplica({ ...how, name: `cpu(${at})`, logicalCpuDevices: 2, model: topologyOf(everything()), dataset }),
    ),
  );
}
