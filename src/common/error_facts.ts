/**
 * Owns: reading what an error says of itself, whatever realm it is from: under Jest, in `node:vm` and from other threads an error of Node is no
 * `instanceof` this realm's Error, and its code is as good.
 * Does not: judge it.
 */

/** Node's code of a system error, or '' for any other value. */
export function errorCode(error: unknown): string {
  return isErrorLike(error) && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** `message`, or the value itself as text where it is no error. */
export function errorMessage(error: unknown): string {
  return isErrorLike(error) ? error.message : String(error);
}

/** An error of any realm. */
export function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}
