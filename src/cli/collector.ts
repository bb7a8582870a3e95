/**
 * Owns: how V8 collects garbage in processes that move tensors over sockets.
 * Does not: apply to threads of `train`, whose main thread makes next to none.
 */
import { setFlagsFromString } from 'node:v8';

/**
 * Marks the heap at once instead of step by step. Every 64 KiB that Node reads from a socket is memory outside the heap, so that V8 starts to mark
 * several times a step; in steps, with helper threads, that took half of the exchange's time (docs/cluster.md). Our heaps are small: a mark takes
 * some milliseconds. Call before anything is loaded: V8 dies where it is in the middle of marking step by step.
 */
export function markAtOnce(): void {
  setFlagsFromString('--no-incremental-marking');
}
