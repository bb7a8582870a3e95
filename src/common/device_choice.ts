/**
 * Owns: what `--gpus` and `--workers` mean: the choice of devices as data.
 * Does not: look for devices. src/api/train.ts meets the choice with those that exist, and a GPU that was asked for and is missing is an error there.
 */
import { UsageError } from './errors.js';

/**
 * `auto`: all GPUs, or one replica on the CPU, said in one visible line. `all_gpus`: all GPUs, at least one.
 * `gpus`: these, within CUDA_VISIBLE_DEVICES, in this order. `cpu`: this many replicas on the CPU.
 */
export type DeviceChoice =
  { kind: 'auto' } | { kind: 'all_gpus' } | { kind: 'gpus'; indices: number[] } | { kind: 'cpu'; replicas: number };

/** A card index beyond this is a typo. */
const MAX_GPU_INDEX = 1023;

/** @throws UsageError GPUS_INVALID, GPUS_AND_WORKERS */
export function chooseDevices({ gpus, workers }: { gpus: string | null; workers: number | null }): DeviceChoice {
  if (gpus === null) return workers === null ? { kind: 'auto' } : { kind: 'cpu', replicas: workers };
  if (gpus.trim() === 'none') return { kind: 'cpu', replicas: workers ?? 1 };
  const choice: DeviceChoice = gpus.trim() === 'all' ? { kind: 'all_gpus' } : { kind: 'gpus', indices: parseGpuIndices(gpus) };
  if (workers !== null) {
    throw new UsageError({
      code: 'GPUS_AND_WORKERS',
      message: `gpus is "${gpus}" and workers is ${workers}: workers counts replicas on the CPU, and a run is on one kind of device`,
      next: `leave out workers for one replica per GPU, or give --gpus none for ${workers} on the CPU`,
    });
  }
  return choice;
}

/** Replicas of a choice where it is known without looking at the machine, else null. */
export function replicasOf(choice: DeviceChoice): number | null {
  if (choice.kind === 'cpu') return choice.replicas;
  return choice.kind === 'gpus' ? choice.indices.length : null;
}

/** `0,2` → [0, 2]; `0-3` → [0, 1, 2, 3]; `0-1,4` → [0, 1, 4]. */
function parseGpuIndices(text: string): number[] {
  const indices: number[] = [];
  for (const part of text.split(',')) {
    const match = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(part);
    if (match === null) throw invalid(text, `"${part.trim()}" is not an index or a range`);
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first) throw invalid(text, `the range ${part.trim()} runs backwards`);
    if (last > MAX_GPU_INDEX) throw invalid(text, `index ${last} is beyond ${MAX_GPU_INDEX}`);
    for (let index = first; index <= last; index++) {
      if (indices.includes(index)) throw invalid(text, `GPU ${index} is named twice`);
      indices.push(index);
    }
  }
  return indices;
}

function invalid(text: string, why: string): UsageError {
  return new UsageError({
    code: 'GPUS_INVALID',
    message: `gpus cannot be "${text}": ${why}`,
    next: 'give indices (--gpus 0,1), a range (--gpus 0-3), all or none',
  });
}
