/**
 * Owns: reading what an error says of itself, whatever realm it is from: under Jest, in `node:vm` and from other threads an error of Node is no
 * `instanceof` this realm's Error, and its code is as good.
 * Does not: judge it.
 */

/** Node's code of a system error, or '' for any other value. */
export function errorCode(error: unknown): string {
  return isErrorLike(error) && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** `message`, with those of the errors that one is made of, or the value itself as text where it is no error. */
export function errorMessage(error: unknown): string {
  if (!isErrorLike(error)) return typeof error === 'object' && error !== null ? (asJson(error) ?? String(error)) : String(error);
  const { errors } = error as { errors?: unknown };
  return Array.isArray(errors) && error.name === 'AggregateError'
    ? `${error.message} (${errors.slice(0, 3).map(errorMessage).join('; ')})`
    : error.message;
}

function asJson(value: object): string | null {
  try {
    return JSON.stringify(value)?.slice(0, 200) ?? null;
  } catch {
    return null;
  }
}

/** An error of any realm. */
export function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}
