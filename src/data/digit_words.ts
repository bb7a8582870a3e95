/**
 * Owns: the random words that an example of the drawn digits is made from: Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", 2011), key from (seed, split), counter from (block, example).
 * Does not: say what they are used for.
 */

/** Example `example` of a split draws the same words whatever was drawn before it. */
export class DigitWords {
  private readonly block = new Uint32Array(4);
  private example = 0;
  private used = 4;
  private nextBlock = 0;

  constructor(
    private readonly seed: number,
    private readonly split: number,
  ) {}

  seek(example: number): void {
    this.example = example;
    this.nextBlock = 0;
    this.used = 4;
  }

  readonly next = (): number => {
    if (this.used === 4) {
      philox(this.nextBlock++, this.example, this.seed, this.split, this.block);
      this.used = 0;
    }
    return this.block[this.used++];
  };
}

function philox(counter0: number, counter1: number, key0: number, key1: number, out: Uint32Array): void {
  let a = counter0;
  let b = counter1;
  let c = 0;
  let d = 0;
  let k0 = key0;
  let k1 = key1;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, a);
    const low0 = Math.imul(0xd2511f53, a);
    const high1 = multiplyHigh(0xcd9e8d57, c);
    const low1 = Math.imul(0xcd9e8d57, c);
    a = high1 ^ b ^ k0;
    b = low1;
    c = high0 ^ d ^ k1;
    d = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = a;
  out[1] = b;
  out[2] = c;
  out[3] = d;
}

/** High 32 bits of the 64-bit product of two unsigned words. */
function multiplyHigh(x: number, y: number): number {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const y0 = y & 0xffff;
  const y1 = y >>> 16;
  const middle = x1 * y0 + ((x0 * y0) >>> 16);
  return (x1 * y1 + Math.floor(middle / 0x10000) + ((middle % 0x10000) + x0 * y1) / 0x10000) | 0;
}
