/** Owns: which flags of a training its workers need as well: they read files themselves, and are told everything else. */
import { existsSync } from 'node:fs';

const READ_BY_WORKERS = ['--model', '--data', '--data-dir', '--validation-file', '--label-file'];

/** Of each the last, as `train` takes it, where it names something on the disk: `synthetic` and the like the coordinator tells. */
export function workerFlags(training) {
  return READ_BY_WORKERS.flatMap((flag) => {
    const value = training.flatMap((word, at) => {
      if (word === flag) return training.slice(at + 1, at + 2);
      return word.startsWith(`${flag}=`) ? [word.slice(flag.length + 1)] : [];
    });
    const last = value.at(-1);
    return last !== undefined && existsSync(last) ? [flag, last] : [];
  });
}
