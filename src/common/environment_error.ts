/**
 * Owns: what the machine, the installation or Node's own options refused, in words: such an error is never a bug of ours, wherever it came up.
 * Does not: know what was being done; whoever knows says it better, and before.
 */
import { errorCode, errorMessage, isErrorLike } from './error_facts.js';
import { DivergedError, EnvironmentError, ExpectedError, type ErrorDetails, type ExitCode } from './errors.js';

const OUT_OF_MEMORY =
  /^(Array buffer allocation failed|Invalid array buffer length|Invalid typed array length|.*could not allocate memory)/;
const MISSING_PARTS = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED', 'ERR_PACKAGE_PATH_NOT_EXPORTED'];

/** What the system's codes mean for a program that reads and writes files and starts threads and programs. */
const SYSTEM: Record<string, string> = {
  ENOSPC: 'Free space on that disk.',
  EDQUOT: 'Free space within your quota.',
  EMFILE: 'Raise the limit of open files (ulimit -n).',
  ENFILE: 'Close programs: the whole system has no open files left.',
  ENOMEM: 'Free memory, or raise the limit (ulimit -v, the container’s memory).',
  EAGAIN: 'Raise the limits of processes and memory (ulimit -u, ulimit -v).',
  EFBIG: 'Raise the limit of a file’s size (ulimit -f).',
  EACCES: 'Give yourself permission, or name another file or folder.',
  EPERM: 'Give yourself permission, or name another file or folder.',
  EROFS: 'Name a file or folder that can be written.',
  ENOENT: 'Check that this file or folder exists.',
  ENOTDIR: 'Check the path: a part of it is a file.',
  EISDIR: 'Check the path: it is a folder.',
  ENAMETOOLONG: 'Choose a shorter name.',
  EIO: 'Check the disk (dmesg, smartctl).',
  ELOOP: 'Check the path: its symbolic links go round.',
};

/** Null where the error is not known to come from the surroundings. */
export function environmentErrorOf(error: unknown): ExpectedError | null {
  if (!isErrorLike(error)) return null;
  const code = errorCode(error);
  const message = errorMessage(error).split('\n')[0];
  const because = (kind: string, next: string, text = message): EnvironmentError =>
    new EnvironmentError({ code: kind, message: text, next, cause: error });
  if (/^WebAssembly\.(Memory\(\)|Instance\(\): Out of memory)/.test(message))
    return new DivergedError({
      code: 'OUT_OF_MEMORY',
      message,
      next: 'Lift the limit of addresses (ulimit -v unlimited): WebAssembly reserves some 10 GB of them without using as much memory.',
      cause: error,
    });
  if (error.name === 'RangeError' && OUT_OF_MEMORY.test(message))
    return new DivergedError({
      code: 'OUT_OF_MEMORY',
      message,
      next: 'Use less data, a smaller batch or fewer replicas, or more memory.',
      cause: error,
    });
  if (code === 'ERR_WORKER_OUT_OF_MEMORY' || code === 'ERR_WORKER_INIT_FAILED')
    return because(
      'OUT_OF_MEMORY',
      'Raise the limits of memory and threads (--max-old-space-size, ulimit -u, ulimit -v), or use fewer replicas.',
    );
  if (MISSING_PARTS.includes(code))
    return because(
      'INSTALLATION_BROKEN',
      'Delete node_modules and install again, on this machine and with this version of Node.',
    );
  if (code === 'ERR_ACCESS_DENIED')
    return because(
      'NODE_PERMISSION',
      'Start Node without --permission: TensorFlow is a native library, and replicas are threads.',
    );
  if (error.name === 'EvalError' || /^WebAssembly is not defined|Code generation from strings disallowed/.test(message))
    return because('NODE_OPTION', 'Start Node without --jitless and --disallow-code-generation-from-strings; see NODE_OPTIONS.');
  if (error.name === 'TypeError' && /^Cannot (assign to read only|add) property/.test(message) && Object.isFrozen(Math))
    return because('NODE_OPTION', 'Start Node without --frozen-intrinsics: tfjs sets what it freezes; see NODE_OPTIONS.');
  if ('syscall' in error && error.syscall === 'uv_cwd')
    return because(
      'FOLDER_GONE',
      'Change into a folder that exists (cd) and start again.',
      'the current folder does not exist any more',
    );
  const next = SYSTEM[code];
  return next === undefined || !('syscall' in error || 'errno' in error) ? null : because('SYSTEM_REFUSED', next);
}

/** An error with words, as one thread tells it to another. */
export type ToldFailure = Omit<ErrorDetails, 'cause'> & { readonly exitCode: ExitCode; readonly cause: ToldCause | null };

/** What came before it: an error itself may hold what cannot be cloned. */
interface ToldCause {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  readonly code: string;
  readonly cause: ToldCause | null;
}

/** Longest chain of causes that is told. */
const MAX_CAUSES = 8;

/** Null for a bug, which whoever started the thread hears of as of any that nobody caught. */
export function factsToTell(error: unknown): ToldFailure | null {
  const expected = error instanceof ExpectedError ? error : environmentErrorOf(error);
  if (expected === null) return null;
  const { code, message, next, exitCode, cause } = expected;
  return { code, message, next, exitCode, cause: causeToTell(cause, MAX_CAUSES) };
}

function causeToTell(cause: unknown, most: number): ToldCause | null {
  if (!isErrorLike(cause) || most === 0) return null;
  const { name, message, stack } = cause;
  const code = errorCode(cause);
  return { name: String(name), message, stack: String(stack ?? message), code, cause: causeToTell(cause.cause, most - 1) };
}

/** The error again, for who asked that thread. */
export function toldError({ exitCode, cause, ...details }: ToldFailure): ExpectedError {
  return new ExpectedError(exitCode, { ...details, ...(cause !== null && { cause: toldCause(cause) }) });
}

function toldCause({ name, message, stack, code, cause }: ToldCause): Error {
  const error = new Error(message, cause === null ? undefined : { cause: toldCause(cause) });
  return Object.assign(error, { name, stack, ...(code !== '' && { code }) });
}
