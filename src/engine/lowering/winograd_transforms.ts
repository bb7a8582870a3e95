/**
 * Owns: the transforms of Winograd's minimal filtering F(4 × 4, 3 × 3) as functions of XLA's, each one loop over the rows of tiles and one over their columns,
 * and where a map is 0. Does not: multiply (winograd_ops.ts).
 *
 * At the points 0, 1, −1, 2, −2 and infinity, as sums and powers of two alone: every operation rounds once, to what IEEE 754 says, whatever a compiler joins,
 * so that all processors give the same bits. The gradients' are the transposed matrices. Filters are few numbers, for which it is a product of matrices.
 *
 * Source: Lavin and Gray, "Fast algorithms for convolutional neural networks" (2015), 4.3.
 */
import { TF_BOOL, TF_FLOAT, TF_INT32 } from '../capi/data_types.js';
import type { TensorKind } from '../backend/op_recorder.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { boolAttr, intAttr, reshape, typeAttr, type RawOps } from '../backend/raw_ops.js';
import { PIXELS, REACH, TILE, type Tiling } from './winograd.js';

/** Of filters' rows or columns: REACH numbers from PIXELS. */
export const FILTER_MATRIX: readonly (readonly number[])[] = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];

/**
 * `pictures`: `[n, height, width, channels]` to `[36, tiles, channels]`. `maps`: `[36, tiles, filters]` to `[n, height, width, filters]`.
 * `gradients` of maps and `gradientsOfPictures` the other way round. `places` of maps, `[n, height, width, 1]`: whether there is a number under the filter;
 * `mapsOfPlaces`: `maps`, and these, to maps that are 0 elsewhere.
 */
export type Transform = 'pictures' | 'maps' | 'gradients' | 'gradientsOfPictures' | 'places' | 'mapsOfPlaces';

export interface TransformFunction {
  readonly from: readonly TensorKind[];
  readonly to: TensorKind;
  readonly body: (ops: RawOps, from: readonly TensorMetadata[]) => TensorMetadata;
}

/** For so many examples. */
export function transformOf(transform: Transform, tiling: Tiling, examples: number): TransformFunction {
  const { x, y, tiles } = tiling;
  const kind = (shape: readonly number[], dtype = TF_FLOAT): TensorKind => ({ shape, dtype });
  const of = (channels: number): TensorKind => kind([REACH ** 2, examples * tiles[0] * tiles[1], channels]);
  const [picture, map] = [x, y].map((shape) => kind([examples, ...shape.slice(1)]));
  const places = kind([examples, y[1], y[2], 1], TF_BOOL);
  const kinds: Record<Transform, [from: TensorKind[], to: TensorKind]> = {
    pictures: [[picture], of(x[3])],
    maps: [[of(y[3])], map],
    gradients: [[map], of(y[3])],
    gradientsOfPictures: [[of(x[3])], picture],
    places: [[picture], places],
    mapsOfPlaces: [[of(y[3]), places], map],
  };
  const [from, to] = kinds[transform];
  return { from, to, body: (ops, [first, second]) => new Transforms(ops, tiling, examples)[transform](first, second) };
}

class Transforms {
  private readonly line: Lines;

  constructor(
    private readonly ops: RawOps,
    private readonly tiling: Tiling,
    private readonly examples: number,
  ) {
    this.line = new Lines(ops);
  }

  pictures(from: TensorMetadata): TensorMetadata {
    const { x, tiles, before } = this.tiling;
    const [height, width] = tiles.map((count) => TILE * count + PIXELS - 1);
    const after = [height - x[1] - before[0], width - x[2] - before[1]];
    const padded = this.padded(from, [[0, 0], [before[0], after[0]], [before[1], after[1]], [0, 0]]); // prettier-ignore
    const rows = this.line.pictures(each(REACH, (row) => this.everyFourth(padded, 1, row, tiles[0])));
    const joined = this.apart(this.packed(rows, 0));
    const columns = this.line.pictures(each(REACH, (column) => this.everyFourth(joined, 3, column, tiles[1])));
    return this.flat(this.packed(columns, 1), x[3]);
  }

  maps(from: TensorMetadata): TensorMetadata {
    const { y, tiles } = this.tiling;
    const rows = this.line.maps(this.parts(this.tiled(from, y[3]), 0));
    const joined = this.apart(this.packed(rows, 0));
    const columns = this.line.maps(this.parts(joined, 1));
    const [examples, heights, widths, rowsOf, columnsOf, filters] = [2, 3, 4, 0, 1, 5];
    const inOrder = [examples, heights, rowsOf, widths, columnsOf, filters];
    const sorted = this.ops.one(
      'Transpose',
      [this.packed(columns, 1), this.integers(inOrder)],
      [typeAttr('T', TF_FLOAT), typeAttr('Tperm', TF_INT32)],
    );
    const whole = this.shaped(sorted, [this.examples, TILE * tiles[0], TILE * tiles[1], y[3]]);
    return this.slice(whole, [0, 0, 0, 0], [this.examples, ...y.slice(1)]);
  }

  mapsOfPlaces(from: TensorMetadata, places: TensorMetadata): TensorMetadata {
    const zero = this.ops.constant(Float32Array.of(0), [], TF_FLOAT);
    return this.ops.one('SelectV2', [places, this.maps(from), zero], [typeAttr('T', TF_FLOAT)]);
  }

  places(from: TensorMetadata): TensorMetadata {
    const { x, y, before } = this.tiling;
    const zero = this.ops.constant(Float32Array.of(0), [], TF_FLOAT);
    const isThere = this.ops.one('NotEqual', [from, zero], [typeAttr('T', TF_FLOAT), boolAttr('incompatible_shape_error', true)]);
    const inAnyChannel = [typeAttr('Tidx', TF_INT32), boolAttr('keep_dims', true)];
    const pixels = this.apart(this.ops.one('Any', [isThere, this.integers([3])], inAnyChannel));
    const [rows, columns] = [0, 1].map((at) => [before[at], y[at + 1] + PIXELS - 1 - x[at + 1] - before[at]]);
    const padded = this.padded(pixels, [[0, 0], rows, columns, [0, 0]]);
    const either = (values: readonly TensorMetadata[]): TensorMetadata =>
      values.reduce((a, b) => this.ops.one('LogicalOr', [a, b], []));
    const byRow = either(each(PIXELS, (row) => this.slice(padded, [0, row, 0, 0], [this.examples, y[1], y[2] + PIXELS - 1, 1])));
    return either(each(PIXELS, (column) => this.slice(byRow, [0, 0, column, 0], [this.examples, y[1], y[2], 1])));
  }

  gradients(from: TensorMetadata): TensorMetadata {
    const { y, tiles } = this.tiling;
    const [height, width] = tiles.map((count) => TILE * count);
    const padded = this.padded(from, [[0, 0], [0, height - y[1]], [0, width - y[2]], [0, 0]]); // prettier-ignore
    const byRow = this.shaped(padded, [this.examples, tiles[0], TILE, width, y[3]]);
    const rows = this.line.gradients(this.parts(byRow, 2));
    const joined = this.apart(this.packed(rows, 0));
    const byColumn = this.shaped(joined, [REACH, this.examples, tiles[0], tiles[1], TILE, y[3]]);
    return this.flat(this.packed(this.line.gradients(this.parts(byColumn, 4)), 1), y[3]);
  }

  gradientsOfPictures(from: TensorMetadata): TensorMetadata {
    const { x, tiles, before } = this.tiling;
    const channels = x[3];
    const [height, width] = tiles.map((count) => TILE * (count + 1));
    const rows = this.overlapped(this.line.gradientsOfPictures(this.parts(this.tiled(from, channels), 0)), 2);
    const byRow = this.shaped(this.packed(rows, 3), [REACH, this.examples, height, tiles[1], channels]);
    const joined = this.apart(this.slice(byRow, [0, 0, before[0], 0, 0], [REACH, this.examples, x[1], tiles[1], channels]));
    const columns = this.overlapped(this.line.gradientsOfPictures(this.parts(joined, 0)), 2);
    const whole = this.shaped(this.packed(columns, 3), [this.examples, x[1], width, channels]);
    return this.slice(whole, [0, 0, before[1], 0], [this.examples, ...x.slice(1)]);
  }

  /** Six lines of each tile, of which the last two lie on the first two of the next, as the four of each of one tile more. */
  private overlapped(lines: readonly TensorMetadata[], axis: number): TensorMetadata[] {
    const beside = (line: TensorMetadata, zeros: [number, number]): TensorMetadata =>
      this.padded(
        line,
        line.shape.map((_, at) => (at === axis ? zeros : [0, 0])),
      );
    return each(TILE, (at) => {
      const own = beside(lines[at], [0, 1]);
      return at < REACH - TILE ? this.line.plus(own, beside(lines[at + TILE], [1, 0])) : own;
    });
  }

  private tiled(from: TensorMetadata, channels: number): TensorMetadata {
    return this.shaped(from, [REACH, REACH, this.examples, ...this.tiling.tiles, channels]);
  }

  private flat(tiled: TensorMetadata, channels: number): TensorMetadata {
    const [height, width] = this.tiling.tiles;
    return this.shaped(tiled, [REACH ** 2, this.examples * height * width, channels]);
  }

  /** Of each tile the line at that place. */
  private everyFourth(from: TensorMetadata, axis: number, first: number, tiles: number): TensorMetadata {
    const along = (value: number, others: readonly number[]): TensorMetadata =>
      this.integers(others.map((other, at) => (at === axis ? value : other)));
    const [zeros, ones] = [0, 1].map((value) => from.shape.map(() => value));
    const range = [along(first, zeros), along(first + TILE * (tiles - 1) + 1, from.shape), along(TILE, ones)];
    const masks = ['begin_mask', 'end_mask', 'ellipsis_mask', 'new_axis_mask', 'shrink_axis_mask'].map((name) =>
      intAttr(name, 0),
    );
    return this.ops.one('StridedSlice', [from, ...range], [typeAttr('T', TF_FLOAT), typeAttr('Index', TF_INT32), ...masks]);
  }

  /** What lies along an axis, one by one and without it. */
  private parts(from: TensorMetadata, axis: number): TensorMetadata[] {
    const count = from.shape[axis];
    return this.ops.run('Unpack', [from], [intAttr('num', count), typeAttr('T', TF_FLOAT), intAttr('axis', axis)], count);
  }

  private packed(values: readonly TensorMetadata[], axis: number): TensorMetadata {
    return this.ops.one('Pack', values, [intAttr('N', values.length), typeAttr('T', TF_FLOAT), intAttr('axis', axis)]);
  }

  private slice(from: TensorMetadata, begin: number[], size: number[]): TensorMetadata {
    const given = [from, this.integers(begin), this.integers(size)];
    return this.ops.one('Slice', given, [typeAttr('T', from.dtype), typeAttr('Index', TF_INT32)]);
  }

  private padded(from: TensorMetadata, zeros: readonly (readonly number[])[]): TensorMetadata {
    if (zeros.flat().every((count) => count === 0)) return from;
    const given = [from, this.ops.constant(Int32Array.from(zeros.flat()), [zeros.length, 2], TF_INT32)];
    return this.ops.one('Pad', given, [typeAttr('T', from.dtype), typeAttr('Tpaddings', TF_INT32)]);
  }

  private shaped(from: TensorMetadata, shape: readonly number[]): TensorMetadata {
    return reshape(this.ops, from, TF_FLOAT, shape);
  }

  private integers(values: readonly number[]): TensorMetadata {
    return this.ops.constant(Int32Array.from(values), [values.length], TF_INT32);
  }

  /** The same, written to memory, so that XLA cannot compute what stands before it anew for each number that needs it. */
  private apart(value: TensorMetadata): TensorMetadata {
    return this.ops.one('XlaOptimizationBarrier', [value], [typeAttr('T', [value.dtype])]);
  }
}

/** The matrices, applied to lines of numbers. */
class Lines {
  constructor(private readonly ops: RawOps) {}

  pictures([d0, d1, d2, d3, d4, d5]: readonly TensorMetadata[]): TensorMetadata[] {
    const { plus, minus, times } = this;
    const [even, odd] = [minus(d4, times(4, d2)), minus(d3, times(4, d1))];
    const [near, far] = [minus(d4, d2), times(2, minus(d3, d1))];
    const first = plus(times(4, minus(d0, d2)), near);
    const last = plus(times(4, minus(d1, d3)), minus(d5, d3));
    return [first, plus(even, odd), minus(even, odd), plus(near, far), minus(near, far), last];
  }

  maps([m0, m1, m2, m3, m4, m5]: readonly TensorMetadata[]): TensorMetadata[] {
    const { plus, minus, times } = this;
    const [even, odd, evenFar, oddFar] = [plus(m1, m2), minus(m1, m2), plus(m3, m4), minus(m3, m4)];
    return [
      plus(m0, plus(even, evenFar)),
      plus(odd, times(2, oddFar)),
      plus(even, times(4, evenFar)),
      plus(plus(odd, times(8, oddFar)), m5),
    ];
  }

  gradients([g0, g1, g2, g3]: readonly TensorMetadata[]): TensorMetadata[] {
    const { plus, minus, times } = this;
    const [even, odd] = [plus(g0, g2), plus(g1, g3)];
    const [evenFar, oddFar] = [plus(g0, times(4, g2)), times(2, plus(g1, times(4, g3)))];
    return [g0, plus(even, odd), minus(even, odd), plus(evenFar, oddFar), minus(evenFar, oddFar), g3];
  }

  gradientsOfPictures([m0, m1, m2, m3, m4, m5]: readonly TensorMetadata[]): TensorMetadata[] {
    const { plus, minus, times } = this;
    const [even, odd, evenFar, oddFar] = [plus(m1, m2), minus(m2, m1), plus(m3, m4), times(2, minus(m4, m3))];
    const outer = plus(m0, evenFar);
    return [
      times(4, m0),
      plus(times(4, plus(odd, m5)), oddFar),
      this.negative(plus(times(4, plus(m0, even)), outer)),
      this.negative(plus(plus(odd, m5), plus(oddFar, times(4, m5)))),
      plus(outer, even),
      m5,
    ];
  }

  readonly plus = (a: TensorMetadata, b: TensorMetadata): TensorMetadata => this.of('AddV2', a, b);
  private readonly minus = (a: TensorMetadata, b: TensorMetadata): TensorMetadata => this.of('Sub', a, b);
  private readonly times = (factor: number, a: TensorMetadata): TensorMetadata =>
    this.of('Mul', a, this.ops.constant(Float32Array.of(factor), [], TF_FLOAT));

  private negative(a: TensorMetadata): TensorMetadata {
    return this.ops.one('Neg', [a], [typeAttr('T', TF_FLOAT)]);
  }

  private of(op: string, a: TensorMetadata, b: TensorMetadata): TensorMetadata {
    return this.ops.one(op, [a, b], [typeAttr('T', TF_FLOAT)]);
  }
}

function each<Value>(count: number, make: (at: number) => Value): Value[] {
  return Array.from({ length: count }, (_, at) => make(at));
}
