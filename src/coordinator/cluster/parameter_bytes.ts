/**
 * Owns: the published parameters as bytes for sockets: one copy and one checksum per version, shared by all workers, its buffers used again.
 * Does not: send.
 *
 * A copy, because the run's own buffers take turns: a slow socket may still be sending a version when the next but one is written. Copied and
 * summed a piece at a time, as the first socket takes it: tens of millions of weights in one turn would hold the event loop.
 */
import { crc32 } from 'node:zlib';
import { LIMITS } from '../../common/limits.js';
import { addPiece, pieceOf, type PieceSource } from '../../common/protocol/message_stream.js';
import type { ParameterSnapshot } from '../../common/replica.js';

export interface ParameterLease {
  readonly source: PieceSource;
  /** Of all of the version's bytes, as `addPiece` makes it. */
  checksum(): number;
  /** Call once, when the socket has taken the bytes. */
  release(): void;
}

export class ParameterBytes {
  #newest: Copy | null = null;
  readonly #free: Uint8Array[] = [];

  /** Versions are leased in ascending order, each before the step after it writes over the one before. */
  lease({ version, values }: ParameterSnapshot): ParameterLease {
    if (this.#newest?.version !== version) this.#renew(version, values);
    const copy = this.#newest as Copy;
    copy.users += 1;
    const release = (): void => {
      copy.users -= 1;
      if (copy.users === 0 && copy !== this.#newest) this.#free.push(copy.memory);
    };
    return { source: copy, checksum: () => copy.checksum(), release };
  }

  #renew(version: number, values: Float32Array): void {
    const old = this.#newest;
    // What it was copied from will be written over.
    if (old !== null && old.users > 0) old.finish();
    if (old !== null && old.users === 0) this.#free.push(old.memory);
    const memory = this.#free.pop() ?? new Uint8Array(values.byteLength);
    this.#newest = new Copy(version, new Uint8Array(values.buffer, values.byteOffset, values.byteLength), memory);
  }
}

class Copy implements PieceSource {
  users = 0;
  readonly #checksums: number[] = [];
  #sum = 0;

  constructor(
    readonly version: number,
    private readonly from: Uint8Array,
    readonly memory: Uint8Array,
  ) {}

  get byteLength(): number {
    return this.memory.length;
  }

  at(index: number): { piece: Uint8Array; checksum: number } {
    while (this.#checksums.length <= index) this.#copyNext();
    return { piece: pieceOf(this.memory, index), checksum: this.#checksums[index] };
  }

  checksum(): number {
    this.finish();
    return this.#sum;
  }

  finish(): void {
    while (this.#checksums.length * LIMITS.maxPieceBytes < this.byteLength) this.#copyNext();
  }

  #copyNext(): void {
    const index = this.#checksums.length;
    const piece = pieceOf(this.memory, index);
    piece.set(pieceOf(this.from, index));
    const checksum = crc32(piece);
    this.#checksums.push(checksum);
    this.#sum = addPiece(this.#sum, checksum, crc32);
  }
}
