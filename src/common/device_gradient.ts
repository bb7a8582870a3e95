/** A gradient on the device of the replica that computed it, with its statistics. Only the exact plane and replicas may import this. */
import { invariant } from './errors.js';
import type { ShardGradient } from './replica.js';
import type { DeviceMemory } from './resident.js';

interface DeviceGradient extends ShardGradient {
  readonly kind: 'device';
  readonly memory: DeviceMemory;
}

/** The replica keeps it until it lends one of two versions later. */
export function deviceGradient(memory: DeviceMemory): ShardGradient {
  const gradient: DeviceGradient = { kind: 'device', memory, release: () => undefined };
  return gradient;
}

/** What was made by `deviceGradient`. */
export function deviceMemory(gradient: ShardGradient | undefined): DeviceMemory {
  invariant(gradient?.kind === 'device' && 'memory' in gradient, 'a gradient of kind device says where it lies');
  return (gradient as DeviceGradient).memory;
}
