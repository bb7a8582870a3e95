/**
 * Owns: every error a user can meet, with its stable code, exit code and next step; and `invariant` for what cannot happen.
 * Does not: print, or exit (src/cli does).
 *
 * An expected error says who and what, what was wanted and what was found, and what to do next, in one to three lines.
 */

/** Process exit codes, part of the public interface (README "Exit codes"). */
export const EXIT = {
  ok: 0,
  toleranceExceeded: 1,
  usage: 2,
  environment: 3,
  data: 4,
  cluster: 5,
  diverged: 6,
  storage: 7,
  targetNotMet: 8,
  internal: 70,
  stopped: 75,
  interrupted: 130,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface ErrorDetails {
  /** Stable, SCREAMING_SNAKE, documented: scripts match on it. */
  code: string;
  /** What happened, with what was wanted and what was found. */
  message: string;
  /** The next thing to do, as an instruction or a command. */
  next: string;
  cause?: unknown;
}

/** Base of all errors that are not bugs of ours. */
export class ExpectedError extends Error {
  readonly code: string;
  readonly next: string;
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode, { code, message, next, cause }: ErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.next = next;
    this.exitCode = exitCode;
  }

  /** This error in other words. */
  reworded(words: (text: string) => string): this {
    return Object.assign(this, { message: words(this.message), next: words(this.next) });
  }
}

/** A wrong flag, configuration key or argument (exit 2). */
export class UsageError extends ExpectedError {
  override readonly name = 'UsageError';
  constructor(details: ErrorDetails) {
    super(EXIT.usage, details);
  }
}

/** TensorFlow, a device or the machine is not as needed (exit 3). */
export class EnvironmentError extends ExpectedError {
  override readonly name = 'EnvironmentError';
  constructor(details: ErrorDetails) {
    super(EXIT.environment, details);
  }
}

/** Data missing, damaged or of the wrong shape (exit 4). */
export class DataError extends ExpectedError {
  override readonly name = 'DataError';
  constructor(details: ErrorDetails) {
    super(EXIT.data, details);
  }
}

/** Login, version or network trouble between coordinator and worker (exit 5). */
export class ClusterError extends ExpectedError {
  override readonly name = 'ClusterError';
  constructor(details: ErrorDetails) {
    super(EXIT.cluster, details);
  }
}

/** An audit found that a worker computes otherwise than another. */
export class AuditError extends ClusterError {
  /** `soundUpTo`: what was committed after this step is not to be trusted; null where all of it is. */
  constructor(
    details: ErrorDetails,
    readonly soundUpTo: number | null,
  ) {
    super(details);
  }
}

/** Non-finite numbers or no memory left (exit 6). */
export class DivergedError extends ExpectedError {
  override readonly name = 'DivergedError';
  constructor(details: ErrorDetails) {
    super(EXIT.diverged, details);
  }
}

/** A run folder, a state or a saved model cannot be written, read or matched (exit 7). */
export class StorageError extends ExpectedError {
  override readonly name = 'StorageError';
  constructor(details: ErrorDetails) {
    super(EXIT.storage, details);
  }
}

/** The run ended below `--target` (exit 8). */
export class TargetNotMetError extends ExpectedError {
  override readonly name = 'TargetNotMetError';
  constructor(details: ErrorDetails) {
    super(EXIT.targetNotMet, details);
  }
}

/** Of the run's data or model: every replica would find the same, so none is lost by it and no other is asked. */
export function isFaultOfTheRun(error: unknown): error is ExpectedError {
  return error instanceof ExpectedError && (error.exitCode === EXIT.usage || error.exitCode === EXIT.data);
}

/** States what must hold. A failure is a bug of ours and reads `internal: …`. */
export function invariant(condition: unknown, statement: string): asserts condition {
  if (!condition) throw new Error(`internal: ${statement}`);
}
