/** Owns: V8's full collection on demand, for tests that measure what is kept. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

/** Collects now. The flag opens `gc` only in contexts made after it. */
export const collectGarbage = runInNewContext('gc') as () => void;
