/**
 * Owns: the words for a file system that refuses: what could not be written or read, why, and what to do.
 * Does not: decide whether training goes on (state/state_writer.ts and the run loop do, by --on-save-failure).
 */
import { errorCode, isErrorLike } from '../../../common/error_facts.js';
import { StorageError } from '../../../common/errors.js';

interface Explanation {
  code: string;
  why: string;
  next: string;
}

const EXPLANATIONS: Record<string, Explanation> = {
  ENOSPC: {
    code: 'DISK_FULL',
    why: 'no space left on the disk',
    next: 'free some space, or use --run-dir on another disk and a smaller --keep',
  },
  EDQUOT: {
    code: 'DISK_FULL',
    why: 'the disk quota is used up',
    next: 'free some space, or use --run-dir on another disk and a smaller --keep',
  },
  EIO: {
    code: 'DISK_IO_ERROR',
    why: 'the disk reported an I/O error',
    next: 'check the disk (dmesg, smartctl); use --run-dir on another one',
  },
  EROFS: {
    code: 'RUN_FOLDER_READ_ONLY',
    why: 'the file system is read-only',
    next: 'use --run-dir with a folder that can be written',
  },
  EACCES: {
    code: 'RUN_FOLDER_READ_ONLY',
    why: 'permission denied',
    next: 'give yourself write permission (chmod u+w), or use --run-dir with another folder',
  },
  EPERM: {
    code: 'RUN_FOLDER_READ_ONLY',
    why: 'operation not permitted',
    next: 'give yourself write permission (chmod u+w), or use --run-dir with another folder',
  },
  ENOENT: {
    code: 'RUN_FOLDER_GONE',
    why: 'the folder or file is not there',
    next: 'do not move or delete a run folder while its run is on; start again with --resume if it still exists elsewhere',
  },
  ENOTDIR: {
    code: 'RUN_FOLDER_GONE',
    why: 'a part of the path is not a folder',
    next: 'use --run-dir with the path of a folder',
  },
  ESTALE: {
    code: 'RUN_FOLDER_GONE',
    why: 'the network file system lost the folder',
    next: 'check the mount, then start again with --resume',
  },
  EMFILE: { code: 'TOO_MANY_OPEN_FILES', why: 'too many open files', next: 'raise the limit (ulimit -n)' },
  ENFILE: { code: 'TOO_MANY_OPEN_FILES', why: 'too many open files', next: 'raise the limit (ulimit -n)' },
};

const OTHER = { code: 'STORAGE_FAILED', next: 'look at the system error above; use --run-dir with another folder' };

/** Who only reads chooses no folder to write to. */
const OF_READING: Record<string, string> = {
  EACCES: 'Give yourself read permission (chmod u+r).',
  EPERM: 'Give yourself read permission (chmod u+r).',
  EIO: 'Check the disk (dmesg, smartctl).',
  ENOTDIR: 'Check the path: one of its folders is a file.',
};

const NO_PARENT = { next: 'use --run-dir with a folder in which folders can be made' };

/**
 * Turns a system error into a StorageError; errors that already are StorageErrors, and errors that do not come from the system, pass unchanged.
 * `doing` reads like `write the state of step 300 to runs/mnist-001/state`.
 */
export function storageError(error: unknown, doing: string, stands?: string): unknown {
  const systemCode = errorCode(error);
  if (error instanceof StorageError || systemCode === '' || !isErrorLike(error) || !('syscall' in error)) return error;
  const known = EXPLANATIONS[systemCode];
  const why = known?.why ?? error.message;
  return new StorageError({
    code: (known ?? OTHER).code,
    message: `cannot ${doing}: ${why} (${systemCode})${stands === undefined ? '' : `; ${stands}`}`,
    next: nextOf(doing, systemCode),
    cause: error,
  });
}

function nextOf(doing: string, systemCode: string): string {
  if (doing.startsWith('create ') && systemCode === 'ENOENT') return NO_PARENT.next;
  if (doing.startsWith('read ') && systemCode in OF_READING) return OF_READING[systemCode];
  return (EXPLANATIONS[systemCode] ?? OTHER).next;
}

/** `doing`: `write runs/mnist/config.yaml`, for the message. @throws StorageError for what the disk refuses */
export async function explained<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storageError(error, doing);
  }
}
