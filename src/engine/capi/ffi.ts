/**
 * Owns: koffi's settings and the opening of libraries with it. Does not: know TensorFlow (c_api.ts).
 */
import koffi, { type LibraryHandle } from 'koffi';

/** C runs on koffi's stack during a call; TensorFlow's graph optimizers recurse, so it gets what koffi allows at most, twice a main thread's. */
const CALL_STACK_BYTES = 16 * 1024 * 1024;

/** Opens a library; `null` is this process itself, libc included. `lazy`: its functions are looked up when they are first called. */
export function openLibrary(path: string | null, lazy = false): LibraryHandle {
  if (koffi.config().sync_stack_size !== CALL_STACK_BYTES) {
    try {
      koffi.config({ ...koffi.config(), sync_stack_size: CALL_STACK_BYTES });
    } catch {
      // koffi takes settings only before its first library: the program around us uses it too, and its 2 MiB have to do.
    }
  }
  return koffi.load(path, { lazy });
}

/** Runs `body` with a variable set where C sees it, and takes it away again; one that the user has set stays as it is. */
export function withNativeDefault<Result>(name: string, value: string, body: () => Result): Result {
  const libc = openLibrary(null);
  const getenv = libc.func('getenv', 'str', ['str']) as (name: string) => string | null;
  if (getenv(name) !== null) return body();
  const unsetenv = libc.func('unsetenv', 'int', ['str']) as (name: string) => number;
  setNativeDefaults({ [name]: value });
  try {
    return body();
  } finally {
    // Programs that this one starts make their own choice.
    unsetenv(name);
  }
}

/**
 * Sets environment variables where C sees them, unless the user has set them. A worker thread's process.env is a copy that C does not see, so
 * this is the way from any thread; TensorFlow reads most of them once, when it is opened.
 */
export function setNativeDefaults(defaults: Readonly<Record<string, string>>): void {
  const setenv = openLibrary(null).func('setenv', 'int', ['str', 'str', 'int']) as (
    name: string,
    value: string,
    overwrite: number,
  ) => number;
  for (const [name, value] of Object.entries(defaults)) setenv(name, value, 0);
}
