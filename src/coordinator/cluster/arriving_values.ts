/**
 * Owns: whether the numbers of a result are finite, looked at as they come: those of ten million weights at once would hold the event loop.
 * Does not: judge what that means (common/result_bounds.ts does).
 */
import { allFinite } from '../../common/all_finite.js';

export class ArrivingValues {
  #bytes: Uint8Array | null = null;
  #looked = 0;
  #finite = true;

  /** `bytes` are filled up to here, where they were not when it was called last. */
  look(bytes: Uint8Array, filled: number): void {
    const whole = filled - (filled % 4);
    if (this.#bytes !== bytes) this.#begin(bytes);
    this.#finite =
      allFinite(new Float32Array(bytes.buffer, bytes.byteOffset + this.#looked, (whole - this.#looked) / 4)) && this.#finite;
    this.#looked = whole;
  }

  /** Of the result that has come; then for the next, which may come in the same memory. */
  take(): boolean {
    const finite = this.#finite;
    this.#begin(null);
    return finite;
  }

  #begin(bytes: Uint8Array | null): void {
    this.#bytes = bytes;
    this.#looked = 0;
    this.#finite = true;
  }
}
