/**
 * Owns: the ops by which a convolution is a product of matrices: rows are places of a map, columns channels.
 * Does not: choose convolutions (convolution_products.ts) or types (typed_lowering.ts).
 *
 * What strides skip is left out by pools over one pixel: TensorFlow's op for slices with strides copies number by number
 * (findings/tensorflow_strided_slice.sh).
 */
import { sizeOf } from '../../common/shape_size.js';
import { shapesOf, stridesOf, type ConvolutionShapes } from './convolution_products.js';
import type { GraphAdditions } from '../compile/graph_additions.js';
import type { OpAttribute } from '../backend/op_executor.js';
import { intAttr, stringAttr, typeAttr } from '../backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';

/** The axis of channels, after those of places. */
const CHANNELS = 3;

/** Adds what gives the same as a node that was chosen. `inputs`: the node's, in the types that they have. */
export function insertProduct(add: GraphAdditions, node: RecordedNode, inputs: readonly RecordedValue[]): RecordedValue {
  const ops = new ProductOps(add, node);
  const [first, second, third] = inputs;
  if (node.op === 'Conv2D') return ops.forward(first, second);
  return node.op === 'Conv2DBackpropFilter' ? ops.gradientOfFilter(first, third) : ops.gradientOfPictures(second, third);
}

class ProductOps {
  private readonly shapes: ConvolutionShapes;
  private readonly strides: readonly number[];
  private readonly skips: boolean;
  /** Places of all maps. */
  private readonly rows: number;

  constructor(
    private readonly add: GraphAdditions,
    node: RecordedNode,
  ) {
    this.shapes = shapesOf(node);
    this.strides = stridesOf(node);
    this.skips = this.strides.some((stride) => stride > 1);
    this.rows = sizeOf(this.shapes.y.slice(0, CHANNELS));
  }

  forward(pictures: RecordedValue, filter: RecordedValue): RecordedValue {
    return this.shaped(this.add.product(this.windows(pictures), this.matrix(filter)), this.shapes.y);
  }

  gradientOfFilter(pictures: RecordedValue, gradient: RecordedValue): RecordedValue {
    const product = this.add.product(this.windows(pictures), this.places(gradient), { turnsFirst: true });
    return this.shaped(product, this.shapes.filter);
  }

  /** Of a filter of one pixel; zeros where strides skip. */
  gradientOfPictures(filter: RecordedValue, gradient: RecordedValue): RecordedValue {
    const { x, y } = this.shapes;
    const ofKept = this.add.product(this.places(gradient), this.matrix(filter), { turnsSecond: true });
    if (!this.skips) return this.shaped(ofKept, x);
    const inputs = [this.add.integers(x), this.shaped(ofKept, [...y.slice(0, CHANNELS), x[CHANNELS]])];
    return this.add.one('AvgPoolGrad', [typeAttr('T', gradient.dtype), ...this.pool()], inputs);
  }

  /** For each place the numbers under a filter there, channel after channel of pixel after pixel. */
  private windows(pictures: RecordedValue): RecordedValue {
    const { x, filter } = this.shapes;
    const [height, width, channels] = filter;
    const columns = height * width * channels;
    if (height === 1 && width === 1) return this.shaped(this.kept(pictures), [1, this.rows, columns]);
    const [padded, reach] = this.padded(pictures);
    const pixels = Array.from({ length: height * width }, (_, at) => {
      const begin = [0, Math.floor(at / width), at % width, 0];
      return this.kept(this.add.slice(padded, begin, [x[0], ...reach, channels]));
    });
    return this.shaped(this.add.concat(pixels, CHANNELS), [1, this.rows, columns]);
  }

  private places(gradient: RecordedValue): RecordedValue {
    return this.shaped(gradient, [1, this.rows, this.shapes.y[CHANNELS]]);
  }

  private matrix(filter: RecordedValue): RecordedValue {
    return this.shaped(filter, [1, ...this.shapes.filter.slice(2)]);
  }

  /** What strides leave of pictures. */
  private kept(pictures: RecordedValue): RecordedValue {
    return this.skips ? this.one('AvgPool', [pictures], this.pool()) : pictures;
  }

  /** Pictures with zeros around them, as far as filters reach beyond them, and the pixels from a filter's first place to its last. */
  private padded(pictures: RecordedValue): [RecordedValue, number[]] {
    const { x, filter, y } = this.shapes;
    const reach = [1, 2].map((axis) => (y[axis] - 1) * this.strides[axis] + 1);
    // Nothing where the padding is valid; of an odd number the larger half comes after (TensorFlow's GetWindowedOutputSize).
    const [rows, columns] = reach.map((extent, at): [number, number] => {
      const beyond = Math.max(extent + filter[at] - 1 - x[at + 1], 0);
      return [Math.floor(beyond / 2), Math.ceil(beyond / 2)];
    });
    if ([...rows, ...columns].every((zeros) => zeros === 0)) return [pictures, reach];
    return [this.add.padded(pictures, [[0, 0], rows, columns, [0, 0]]), reach];
  }

  private pool(): OpAttribute[] {
    return [
      ...[intAttr('ksize', [1, 1, 1, 1]), intAttr('strides', [...this.strides])],
      ...[stringAttr('padding', 'VALID'), stringAttr('data_format', 'NHWC')],
    ];
  }

  private shaped(value: RecordedValue, shape: readonly number[]): RecordedValue {
    return this.add.reshape(value, shape);
  }

  private one(op: string, inputs: readonly RecordedValue[], attributes: OpAttribute[]): RecordedValue {
    return this.add.one(op, [typeAttr('T', inputs[0].dtype), ...attributes], inputs);
  }
}
