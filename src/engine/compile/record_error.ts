/**
 * Owns: the error of a function that cannot be recorded, and the search for the user's line in a stack. Does not: decide what is an error.
 */
import { UsageError } from '../../common/errors.js';
import { framesOf } from '../../common/user_place.js';

export type RecordErrorCode =
  | 'RECORD_READS_DATA'
  | 'RECORD_DRAWS_RANDOM'
  | 'RECORD_SHAPE_UNKNOWN'
  | 'RECORD_TENSOR_LEAKED'
  | 'RECORD_IMPURE'
  | 'RECORD_ARGUMENT'
  | 'RECORD_RESULT'
  | 'RECORD_VARIABLE'
  | 'RECORD_OP'
  | 'RECORD_TOO_MANY';

/** A function given to `compile` does something that a recorded function cannot repeat. */
export class RecordError extends UsageError {
  constructor(
    code: RecordErrorCode,
    /** The op or tfjs call it is about, if there is one. */
    readonly op: string | undefined,
    /** `file:line:column` in the user's code, if it could be found. */
    readonly line: string | undefined,
    what: string,
    next: string,
    cause?: unknown,
  ) {
    const where = [op, line === undefined ? undefined : `at ${line}`].filter((part) => part !== undefined).join(' ');
    super({ code, message: where === '' ? what : `${what} (${where})`, next, cause });
  }
}

/** A tensor of a recording was used after the recording ended. */
export function symbolicOutside(operation: string): RecordError {
  return new RecordError(
    'RECORD_TENSOR_LEAKED',
    operation,
    userLine(captureSite()),
    'A tensor made while a function was recorded is used outside of it; it has no value',
    'Return the tensor from the compiled function and use the returned one.',
  );
}

/** A stack captured cheaply: it becomes text only when asked for. */
export function captureSite(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 80;
  const site = new Error('site');
  Error.stackTraceLimit = limit;
  return site;
}

/** `file:line:column` of the innermost frame that is neither tfjs nor this engine nor Node itself. */
export function userLine(site: Error): string | undefined {
  return framesOf(site).find(({ place }) => !isInternal(place))?.place;
}

/** The tfjs function the user called, by its frame next to the user's: `randomUniform`, `dropout`, `print`. */
export function calledFunction(site: Error): string | undefined {
  const frames = framesOf(site);
  const user = frames.findIndex(({ place }) => !isInternal(place));
  for (let index = user - 1; index >= 0; index--) {
    // `Object.randomUniform__op [as randomUniform]`, `Proxy.dropout_`, `Tensor.dataSync`
    const alias = /\[as (\w+)\]$/.exec(frames[index].functionName)?.[1];
    const bare = (alias ?? frames[index].functionName.split('.').pop() ?? '').replace(/(_|__op)$/, '');
    if (bare !== '' && bare !== '<anonymous>' && !bare.startsWith('opHandler')) return bare;
  }
  return undefined;
}

const ENGINE_FOLDER = new URL('..', import.meta.url).pathname;

function isInternal(place: string): boolean {
  return (
    place.startsWith('node:') ||
    place.startsWith(ENGINE_FOLDER) ||
    place.includes('/node_modules/@tensorflow/') ||
    place.includes('/node_modules/koffi/') ||
    place.includes('/vendor/tfjs_node_kernels') ||
    place === '<anonymous>'
  );
}
