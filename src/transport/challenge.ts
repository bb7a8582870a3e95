/**
 * Owns: challenges: made for anyone who asks, good for one login within 10 s.
 * Does not: check proofs.
 *
 * A challenge carries its own expiry and signature, so that asking for a million of them costs no memory; only those used in a login
 * that succeeded are remembered until they expire.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { LIMITS } from '../common/limits.js';

const RANDOM_BYTES = 16;
const TIME_BYTES = 6;
const SIGNATURE_BYTES = 16;

export class Challenges {
  readonly #key = randomBytes(32);
  readonly #used = new Map<string, number>();

  constructor(private readonly nowMs: () => number = () => performance.now()) {}

  issue(): string {
    const body = Buffer.alloc(RANDOM_BYTES + TIME_BYTES);
    randomBytes(RANDOM_BYTES).copy(body);
    body.writeUIntBE(Math.floor(this.nowMs()) + LIMITS.nonceLifeMs, RANDOM_BYTES, TIME_BYTES);
    return Buffer.concat([body, this.#sign(body)]).toString('base64url');
  }

  /** True for one of ours that has neither expired nor been used. */
  isOpen(nonce: string): boolean {
    const bytes = Buffer.from(nonce, 'base64url');
    if (bytes.length !== RANDOM_BYTES + TIME_BYTES + SIGNATURE_BYTES || bytes.toString('base64url') !== nonce) return false;
    const body = bytes.subarray(0, RANDOM_BYTES + TIME_BYTES);
    if (!timingSafeEqual(this.#sign(body), bytes.subarray(body.length))) return false;
    return this.nowMs() < body.readUIntBE(RANDOM_BYTES, TIME_BYTES) && !this.#used.has(nonce);
  }

  /** Call once its proof was right. */
  use(nonce: string): void {
    const now = this.nowMs();
    for (const [old, expiresMs] of this.#used) if (expiresMs <= now) this.#used.delete(old);
    this.#used.set(nonce, now + LIMITS.nonceLifeMs);
  }

  #sign(body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, SIGNATURE_BYTES);
  }
}
