/**
 * Owns: the reused TF_Status of a thread and the error that carries TensorFlow's own message. Does not: say what the user should do about it.
 */
import type { CApi, Pointer } from './c_api.js';

/** TF_Code by number, as in tensorflow/c/tf_status.h. */
const CODE_NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
export type TensorFlowCode = (typeof CODE_NAMES)[number];

/** TensorFlow refused or failed: `tfCode` is its status code, `operation` what was asked of it. */
export class TensorFlowError extends Error {
  override readonly name = 'TensorFlowError';

  constructor(
    readonly operation: string,
    readonly tfCode: TensorFlowCode,
    readonly tfMessage: string,
  ) {
    super(`${operation}: ${tfMessage} (TensorFlow ${tfCode})`);
  }
}

/** One TF_Status, reused by every call of a thread: each call overwrites it. */
export class Status {
  readonly pointer: Pointer;

  constructor(private readonly api: CApi) {
    this.pointer = api.TF_NewStatus();
  }

  /** Throws if the last call failed. `operation` names it for the reader: an op, or what was being done. */
  check(operation: string): void {
    const code = this.api.TF_GetCode(this.pointer);
    if (code !== 0) throw new TensorFlowError(operation, CODE_NAMES[code] ?? 'UNKNOWN', this.api.TF_Message(this.pointer));
  }

  /** For a call that returns null exactly when it fails. */
  checked<Result>(result: Result | null, operation: string): Result {
    if (result === null) this.check(operation);
    return result as Result;
  }

  delete(): void {
    this.api.TF_DeleteStatus(this.pointer);
  }
}
