/**
 * Owns: the ops by which a convolution is a product of matrices: rows are places of a map, columns channels.
 * Does not: choose convolutions (convolution_products.ts) or types (typed_lowering.ts).
 *
 * What strides skip is left out by pools over one pixel: TensorFlow's op for slices with strides copies number by number
 * (findings/tensorflow_strided_slice.sh).
 */
import { shapesOf } from './convolution_products.js';
import { TF_INT32 } from './data_types.js';
import type { OpAttribute } from './op_executor.js';
import { boolAttr, intAttr, stringAttr, typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue } from './recorded.js';
import type { Recording } from './recording.js';

const CHANNELS = 3;

/** Adds what gives the same as a node that was chosen. `inputs`: the node's, in the types that they have. */
export function insertProduct(recording: Recording, node: RecordedNode, inputs: readonly RecordedValue[]): RecordedValue {
  const { x, filter, y } = shapesOf(node);
  const ops = new ProductOps(recording, node.attributes.find(({ name }) => name === 'strides')?.value as number[]);
  const [height, width, channels, filters] = filter;
  const rows = y[0] * y[1] * y[2];
  const [first, second, third] = inputs;
  if (node.op === 'Conv2D') {
    const matrix = ops.shaped(second, [1, channels, filters]);
    return ops.shaped(ops.product(ops.shaped(ops.kept(first), [1, rows, channels]), matrix), y);
  }
  const gradient = ops.shaped(third, [1, rows, filters]);
  if (node.op === 'Conv2DBackpropFilter') {
    const windows = ops.shaped(ops.windows(first, x, filter, y), [1, rows, height * width * channels]);
    return ops.shaped(ops.product(windows, gradient, { turnsFirst: true }), filter);
  }
  const ofKept = ops.product(gradient, ops.shaped(second, [1, channels, filters]), { turnsSecond: true });
  return ops.spread(ofKept, x, [y[0], y[1], y[2], channels]);
}

class ProductOps {
  private readonly skips: boolean;

  constructor(
    private readonly recording: Recording,
    private readonly strides: number[],
  ) {
    this.skips = strides.some((stride) => stride > 1);
  }

  shaped(value: RecordedValue, shape: readonly number[]): RecordedValue {
    return this.one('Reshape', [value, this.integers(shape)], [typeAttr('Tshape', TF_INT32)]);
  }

  product(
    a: RecordedValue,
    b: RecordedValue,
    { turnsFirst = false, turnsSecond = false }: { turnsFirst?: boolean; turnsSecond?: boolean } = {},
  ): RecordedValue {
    return this.one('BatchMatMulV2', [a, b], [boolAttr('adj_x', turnsFirst), boolAttr('adj_y', turnsSecond)]);
  }

  /** What strides leave of pictures. */
  kept(pictures: RecordedValue): RecordedValue {
    return this.skips ? this.one('AvgPool', [pictures], this.pool()) : pictures;
  }

  /** The gradient of `kept`: zeros where strides skip. `given`: the shape of what is kept. */
  spread(gradient: RecordedValue, pictures: readonly number[], given: readonly number[]): RecordedValue {
    if (!this.skips) return this.shaped(gradient, pictures);
    const [spread] = this.recording.insert(
      'AvgPoolGrad',
      [typeAttr('T', gradient.dtype), ...this.pool()],
      [this.integers(pictures), this.shaped(gradient, given)],
    );
    return spread;
  }

  /** For each place of `y` the numbers under a filter there, channel after channel of pixel after pixel. */
  windows(pictures: RecordedValue, x: readonly number[], filter: readonly number[], y: readonly number[]): RecordedValue {
    const [height, width] = filter;
    if (height === 1 && width === 1) return this.kept(pictures);
    const [padded, reach] = this.padded(pictures, x, filter, y);
    const pixels = Array.from({ length: height * width }, (_, at) => {
      const begin = [0, Math.floor(at / width), at % width, 0];
      const slice = [padded, this.integers(begin), this.integers([x[0], ...reach, x[CHANNELS]])];
      return this.kept(this.one('Slice', slice, [typeAttr('Index', TF_INT32)]));
    });
    const axis = this.recording.insertConstant([], TF_INT32, Int32Array.of(CHANNELS));
    return this.one('ConcatV2', [...pixels, axis], [intAttr('N', pixels.length), typeAttr('Tidx', TF_INT32)]);
  }

  /** Pictures with zeros around them, as far as filters reach beyond them, and the pixels from a filter's first place to its last. */
  private padded(
    pictures: RecordedValue,
    x: readonly number[],
    filter: readonly number[],
    y: readonly number[],
  ): [RecordedValue, number[]] {
    const reach = [1, 2].map((axis) => (y[axis] - 1) * this.strides[axis] + 1);
    // Nothing where the padding is valid; of an odd number the larger half comes after (TensorFlow's GetWindowedOutputSize).
    const [rows, columns] = reach.map((extent, at) => {
      const beyond = Math.max(extent + filter[at] - 1 - x[at + 1], 0);
      return [Math.floor(beyond / 2), Math.ceil(beyond / 2)];
    });
    if ([...rows, ...columns].every((zeros) => zeros === 0)) return [pictures, reach];
    const zeros = this.recording.insertConstant([4, 2], TF_INT32, Int32Array.of(0, 0, ...rows, ...columns, 0, 0));
    return [this.one('Pad', [pictures, zeros], [typeAttr('Tpaddings', TF_INT32)]), reach];
  }

  private pool(): OpAttribute[] {
    return [
      ...[intAttr('ksize', [1, 1, 1, 1]), intAttr('strides', this.strides)],
      ...[stringAttr('padding', 'VALID'), stringAttr('data_format', 'NHWC')],
    ];
  }

  private integers(values: readonly number[]): RecordedValue {
    return this.recording.insertConstant([values.length], TF_INT32, Int32Array.from(values));
  }

  private one(op: string, inputs: readonly RecordedValue[], attributes: OpAttribute[]): RecordedValue {
    return this.recording.insert(op, [typeAttr('T', inputs[0].dtype), ...attributes], inputs)[0];
  }
}
