/** Owns: the checks of `doctor`, in the order in which they are told: what others rest on first. */
import type { Check } from './check.js';
import { cache } from './checks/cache.js';
import { clock } from './checks/clock.js';
import { computing } from './checks/computing.js';
import { container } from './checks/container.js';
import { gpus } from './checks/gpus.js';
import { limits } from './checks/limits.js';
import { node } from './checks/node.js';
import { oneDnn } from './checks/one_dnn.js';
import { ports } from './checks/ports.js';
import { processor } from './checks/processor.js';
import { python } from './checks/python.js';
import { system } from './checks/system.js';
import { tensorflow } from './checks/tensorflow.js';
import { way } from './checks/way.js';

export const CHECKS: readonly Check[] = [
  system,
  node,
  tensorflow,
  python,
  cache,
  processor,
  oneDnn,
  container,
  limits,
  clock,
  ports,
  gpus,
  computing,
  way,
];
