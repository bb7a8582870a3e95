/** Owns: what is said of a user's module in TypeScript that this Node does not load. */
import { errorCode, errorMessage } from './error_facts.js';
import { UsageError } from './errors.js';

/** Null where the fault is another. `what`: the flag that names the module. */
export function typeScriptError(cause: unknown, { path, what }: { path: string; what: string }): UsageError | null {
  const code = errorCode(cause);
  const isUnknown = code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(path);
  if (!isUnknown && code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX' && code !== 'ERR_NO_TYPESCRIPT') return null;
  const why = isUnknown ? 'this Node does not load TypeScript' : errorMessage(cause).split('\n')[0];
  const compiled = path.replace(/\.([cm]?)ts$/, '.$1js');
  return new UsageError({
    code: 'MODULE_TYPESCRIPT',
    message: `${path} is TypeScript, and ${why}`,
    next: `Use Node 22.18 or newer, which leaves types out (no enums or namespaces); or compile it and give ${what} ${compiled}; or start with NODE_OPTIONS="--import tsx", where tsx is installed.`,
    cause,
  });
}
