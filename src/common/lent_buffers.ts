/** Owns: buffers that are lent to who reads them, and used again when they are given back. Does not: make them. */
import { invariant } from './errors.js';

export class LentBuffers<Buffer> {
  readonly #free: Buffer[] = [];

  /** One that nobody reads at present, or a new one. */
  take(make: () => Buffer): Buffer {
    return this.#free.pop() ?? make();
  }

  giveBack(buffer: Buffer): void {
    this.#free.push(buffer);
  }

  /** What its reader calls when it is done. */
  lend(buffer: Buffer): () => void {
    let lent = true;
    return () => {
      invariant(lent, 'a gradient buffer is released once');
      lent = false;
      this.giveBack(buffer);
    };
  }
}
