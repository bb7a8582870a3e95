/**
 * Owns: where downloaded data sets are kept.
 * Does not: create the folder or know its files.
 */
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';

/** `$TFJS_PARALLEL_CACHE`, else `$XDG_CACHE_HOME/tfjs-parallel`, else `~/.cache/tfjs-parallel`. Empty variables count as unset. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.TFJS_PARALLEL_CACHE) return resolve(env.TFJS_PARALLEL_CACHE);
  if (env.XDG_CACHE_HOME) return join(env.XDG_CACHE_HOME, 'tfjs-parallel');
  return join(homedir() || userInfo().homedir, '.cache', 'tfjs-parallel');
}
