/**
 * Owns: where in a user's own code something was thrown, read from the stack.
 * Does not: find the place of an error without a stack of its own (system/user_module.ts asks Node about those of syntax).
 */
import { errorMessage, isErrorLike } from './error_facts.js';

export interface Frame {
  readonly functionName: string;
  /** `file:line:column`; of a module that was not linked, `file:line`. */
  readonly place: string;
}

/** Frames between a user's function and what tfjs or TensorFlow throws inside of it; Node keeps ten. */
const KEPT_FRAMES = 50;

/** For threads of ours that run users' code. */
export function keepDeepStacks(): void {
  Error.stackTraceLimit = Math.max(Error.stackTraceLimit, KEPT_FRAMES);
}

export function framesOf(site: Error): Frame[] {
  const frames: Frame[] = [];
  const [first, ...others] = (site.stack ?? '').split('\n');
  const linked = /^(file:\/\/.*:\d+)$/.exec(first);
  if (linked !== null) frames.push({ functionName: '', place: pathOf(linked[1]) });
  for (const line of others) {
    const match = /^\s+at (?:(?:async )?(.*?) \()?(?:async )?(.*?:\d+:\d+)\)?$/.exec(line);
    if (match !== null) frames.push({ functionName: match[1] ?? '', place: pathOf(match[2]) });
  }
  return frames;
}

/** As people open it: stacks have the addresses of ES modules. */
function pathOf(place: string): string {
  if (!place.startsWith('file://')) return place;
  const path = place.slice('file://'.length);
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** The innermost frame that is neither this package, nor another one, nor Node itself. */
export function userPlace(error: unknown): string | undefined {
  return isErrorLike(error) ? framesOf(error).find(({ place }) => isOfUser(place))?.place : undefined;
}

/** `text (file:line:column)`; the text alone where no code of a user's is on the stack. */
export function withPlace(text: string, error: unknown, place = userPlace(error)): string {
  return place === undefined ? text : `${text} (${place})`;
}

/** The error's message with its place. */
export function placedMessage(error: unknown, place?: string): string {
  return withPlace(errorMessage(error), error, place);
}

/** With the error's name before it. */
export function placedReason(error: unknown, place?: string): string {
  return `${isErrorLike(error) ? `${error.name}: ` : ''}${placedMessage(error, place)}`;
}

const OWN_FOLDER = pathOf(new URL('..', import.meta.url).href);

function isOfUser(place: string): boolean {
  return place.startsWith('/') && !place.startsWith(OWN_FOLDER) && !place.includes('/node_modules/');
}
