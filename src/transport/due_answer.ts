/**
 * Owns: the one answer that is due on a link: it begins to come in time, or the link ends and says what did not.
 * Does not: know questions, or what ends them; the sessions at both ends of a link do.
 */
import { patience, type Patience } from '../system/patience.js';
import type { Link } from './link.js';
import type { LinkTimes } from './link_life.js';

export class DueAnswer {
  readonly #link: Link;
  readonly #times: LinkTimes | undefined;
  #patience: Patience | null = null;

  constructor(link: Link, times: LinkTimes | undefined) {
    this.#link = link;
    this.#times = times;
  }

  /** In place of what was due before. `why` is what the link ends with, such as `no welcome`. */
  within(ms: number, why: string): void {
    this.came();
    const limitMs = this.#times?.questionMs ?? ms;
    this.#patience = patience(limitMs, () => this.#link.close(`${why} within ${limitMs / 1000} s`));
  }

  /** It has begun to come, or nothing is due any more. */
  came(): void {
    this.#patience?.end();
    this.#patience = null;
  }
}
