/**
 * Owns: the golden problem, made of integers: initial weights, images, labels, projection signs. The twin of scripts/golden/formula.py.
 * Does not: hold what the frameworks computed (golden.ts reads that).
 */

const STREAM = { images: 1000, labels: 1001, blocks: 1002, projections: 2000 } as const;
export const GOLDEN_PROJECTIONS = 16;
const IMAGE_SIDE = 28;

export type GoldenTensorKind = 'kernel' | 'bias' | 'gamma' | 'beta' | 'zeros' | 'ones';
export interface GoldenTensorShape {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: GoldenTensorKind;
}

/** 32-bit integer hash "lowbias32" (Chris Wellons, hash-prospector). */
export function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

function hashes(seed: number, stream: number, count: number): Uint32Array {
  const base = mix(stream ^ mix(seed));
  return Uint32Array.from({ length: count }, (_, index) => mix(index ^ base));
}

/** Names and shapes in `model.weights` order: `trained` first, moving statistics after. Kernels HWIO, dense (inputs, outputs). */
export function goldenTensors(width: number): { trained: GoldenTensorShape[]; moving: GoldenTensorShape[] } {
  const [c1, c2, c3, hidden] = [64, 128, 256, 512].map((channels) => channels * width);
  const trained: GoldenTensorShape[] = [];
  const moving: GoldenTensorShape[] = [];
  const layer = (name: string, kernel: number[]): void => {
    trained.push({ name: `${name}/kernel`, shape: kernel, kind: 'kernel' });
    trained.push({ name: `${name}/bias`, shape: kernel.slice(-1), kind: 'bias' });
  };
  const norm = (name: string, channels: number): void => {
    trained.push({ name: `${name}/gamma`, shape: [channels], kind: 'gamma' });
    trained.push({ name: `${name}/beta`, shape: [channels], kind: 'beta' });
    moving.push({ name: `${name}/moving_mean`, shape: [channels], kind: 'zeros' });
    moving.push({ name: `${name}/moving_variance`, shape: [channels], kind: 'ones' });
  };
  layer('conv1', [3, 3, 1, c1]);
  layer('conv2', [3, 3, c1, c1]);
  norm('norm1', c1);
  layer('conv3', [3, 3, c1, c2]);
  layer('conv4', [3, 3, c2, c2]);
  norm('norm2', c2);
  layer('conv5', [3, 3, c2, c3]);
  norm('norm3', c3);
  layer('dense1', [4 * c3, hidden]);
  layer('dense2', [hidden, 10]);
  return { trained, moving };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** All weights in `model.weights` order, one flat float32 array: the layout of `ModelDescription.initial`. */
export function goldenInitialWeights(width: number, seed: number): Float32Array {
  const { trained, moving } = goldenTensors(width);
  const tensors = [...trained, ...moving];
  const values = new Float32Array(tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0));
  let offset = 0;
  tensors.forEach(({ shape, kind }, index) => {
    const size = sizeOf(shape);
    if (kind === 'ones') values.fill(1, offset, offset + size);
    else if (kind !== 'zeros') values.set(drawn(seed, index, shape, kind), offset);
    offset += size;
  });
  return values;
}

/** float64 arithmetic in the order of formula.py; storing it in the float32 array is the one rounding. */
function drawn(seed: number, index: number, shape: readonly number[], kind: GoldenTensorKind): Float64Array {
  const units = Float64Array.from(hashes(seed, index, sizeOf(shape)), (hash) => (hash >>> 8) / 2 ** 23 - 1);
  if (kind !== 'kernel') return units.map((u) => 0.1 * u + (kind === 'gamma' ? 1 : 0));
  const field = sizeOf(shape.slice(0, -2));
  const [inputs, outputs] = shape.slice(-2);
  const limit = Math.sqrt(2.24 / ((field * inputs + field * outputs) / 2));
  return units.map((u) => u * limit * (field > 1 ? 2 : 1));
}

/** `[batch, 28, 28, 1]` pixels: bright or dark 4×4 blocks (0 or 192) plus noise (0 to 63). */
export function goldenImages(seed: number, batch: number): Uint8Array {
  const noise = hashes(seed, STREAM.images, batch * IMAGE_SIDE * IMAGE_SIDE);
  const blocksPerSide = IMAGE_SIDE / 4;
  const blocks = hashes(seed, STREAM.blocks, batch * blocksPerSide * blocksPerSide);
  return Uint8Array.from(noise, (hash, index) => {
    const column = index % IMAGE_SIDE;
    const row = Math.floor(index / IMAGE_SIDE) % IMAGE_SIDE;
    const image = Math.floor(index / (IMAGE_SIDE * IMAGE_SIDE));
    const block = (image * blocksPerSide + (row >> 2)) * blocksPerSide + (column >> 2);
    return (hash >>> 26) + 192 * (blocks[block] & 1);
  });
}

export function goldenLabels(seed: number, batch: number): Int32Array {
  return Int32Array.from(hashes(seed, STREAM.labels, batch), (hash) => hash % 10);
}

/** Dot products of tensor number `index` with 16 fixed ±1 vectors (bit k of an element's hash set: +1), in float64. */
export function goldenProjections(seed: number, index: number, values: ArrayLike<number>): Float64Array {
  const base = mix((STREAM.projections + index) ^ mix(seed));
  const sums = new Float64Array(GOLDEN_PROJECTIONS);
  for (let element = 0; element < values.length; element++) {
    const bits = mix(element ^ base);
    for (let k = 0; k < GOLDEN_PROJECTIONS; k++) sums[k] += (bits >>> k) & 1 ? values[element] : -values[element];
  }
  return sums;
}
