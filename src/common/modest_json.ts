/**
 * Owns: whether JSON from the other side may be parsed: the objects that parsing makes take up to a hundred times the text's memory.
 */
import { LIMITS } from './limits.js';

/** Brackets, commas and colons: each is an object, a value or a key at most. */
const TOKENS = /[[\]{},:]/g;

/** What is too much of it; null where it may be parsed. Its length is bounded where it arrives. Counts those within strings too, so that no parsing is needed. */
export function immodest(json: string): string | null {
  let tokens = 0;
  TOKENS.lastIndex = 0;
  while (TOKENS.exec(json) !== null) {
    tokens += 1;
    if (tokens > LIMITS.maxTopologyTokens) return `more than ${LIMITS.maxTopologyTokens} brackets, commas and colons`;
  }
  return null;
}
