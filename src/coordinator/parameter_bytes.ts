/**
 * Owns: the published parameters as bytes for sockets: one copy per version, shared by all workers, its buffers used again.
 * Does not: send.
 *
 * A copy, because the run's own buffers take turns: a slow socket may still be sending a version when the next but one is written.
 */
import { crc32 } from 'node:zlib';
import type { ParameterSnapshot } from '../common/replica.js';

export interface ParameterLease {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly checksum: number;
  /** Call once, when the socket has taken the bytes. */
  release(): void;
}

interface Copy {
  readonly version: number;
  readonly bytes: Uint8Array;
  readonly checksum: number;
  users: number;
}

export class ParameterBytes {
  #newest: Copy | null = null;
  readonly #free: Uint8Array[] = [];

  lease({ version, values }: ParameterSnapshot): ParameterLease {
    if (this.#newest?.version !== version) this.#renew(version, values);
    const copy = this.#newest as Copy;
    copy.users += 1;
    const release = (): void => {
      copy.users -= 1;
      if (copy.users === 0 && copy !== this.#newest) this.#free.push(copy.bytes);
    };
    return { version, bytes: copy.bytes, checksum: copy.checksum, release };
  }

  #renew(version: number, values: Float32Array): void {
    const old = this.#newest;
    if (old !== null && old.users === 0) this.#free.push(old.bytes);
    const bytes = this.#free.pop() ?? new Uint8Array(values.byteLength);
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    this.#newest = { version, bytes, checksum: crc32(bytes), users: 0 };
  }
}
