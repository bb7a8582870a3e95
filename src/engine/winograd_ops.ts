/**
 * Owns: the ops by which a convolution or its gradients are computed by Winograd's minimal filtering, some examples after the others.
 * Does not: choose convolutions (winograd.ts) or transform (winograd_transforms.ts).
 */
import type { FusedLoops } from './fused_loops.js';
import { TF_FLOAT, TF_INT32 } from './data_types.js';
import { boolAttr, intAttr, typeAttr } from './raw_ops.js';
import type { RecordedNode, RecordedValue } from './recorded.js';
import type { Recording } from './recording.js';
import { examplesTogether, PIXELS, REACH, tilingOf, type Tiling } from './winograd.js';
import { FILTER_MATRIX, type Transform } from './winograd_transforms.js';

/** A row for each of the 36 products of a tile, a column for each pixel of a filter. */
const FILTERS = FILTER_MATRIX.flatMap((rows) =>
  FILTER_MATRIX.flatMap((columns) => rows.flatMap((a) => columns.map((b) => a * b))),
);

/** What the nodes of one group give. `inputs`: of each of them, lowered. `threads`: as many examples are computed side by side. */
export function insertWinograd(
  recording: Recording,
  loops: FusedLoops,
  nodes: readonly RecordedNode[],
  { inputs, threads }: { readonly inputs: readonly (readonly RecordedValue[])[]; readonly threads: number },
): RecordedValue[] {
  const ops = new WinogradOps(recording, loops, tilingOf(nodes[0]), threads);
  const at = (op: string): readonly RecordedValue[] | undefined => inputs[nodes.findIndex((node) => node.op === op)];
  const forward = at('Conv2D');
  if (forward !== undefined) return [ops.forward(forward[0], forward[1])];
  const [pictures, filters] = [at('Conv2DBackpropFilter'), at('Conv2DBackpropInput')];
  const made = ops.gradients((pictures ?? filters)![2], { pictures: pictures?.[0], filter: filters?.[1] });
  return nodes.map(({ op }) => (op === 'Conv2DBackpropFilter' ? made.ofFilter! : made.ofPictures!));
}

class WinogradOps {
  private readonly counts: readonly number[];

  constructor(
    private readonly recording: Recording,
    private readonly loops: FusedLoops,
    private readonly tiling: Tiling,
    private readonly threads: number,
  ) {
    this.counts = examplesTogether(tiling);
  }

  forward(pictures: RecordedValue, filter: RecordedValue): RecordedValue {
    const transformed = this.filters(filter);
    const maps: RecordedValue[] = [];
    this.forEach((begin, count) => {
      const tiles = this.transform(
        'pictures',
        count,
        this.examples(pictures, begin, count, this.tiling.x),
        maps.at(-this.threads),
      );
      maps.push(this.transform('maps', count, this.product(tiles, transformed)));
    });
    return this.joined(maps);
  }

  /** Of what is given: of the filter where the pictures are, and the other way round. */
  gradients(
    gradient: RecordedValue,
    { pictures, filter }: { pictures?: RecordedValue; filter?: RecordedValue },
  ): { ofPictures?: RecordedValue; ofFilter?: RecordedValue } {
    const transformed = filter && this.filters(filter);
    const [ofPictures, ofFilter]: RecordedValue[][] = [[], []];
    const ends: RecordedValue[] = [];
    this.forEach((begin, count) => {
      const tiles = this.transform(
        'gradients',
        count,
        this.examples(gradient, begin, count, this.tiling.y),
        ends.at(-this.threads),
      );
      let last: RecordedValue | undefined;
      if (transformed !== undefined) {
        last = this.transform('gradientsOfPictures', count, this.product(tiles, transformed, { turnsSecond: true }));
        ofPictures.push(last);
      }
      if (pictures !== undefined) {
        const seen = this.transform('pictures', count, this.examples(pictures, begin, count, this.tiling.x), last);
        last = this.product(seen, tiles, { turnsFirst: true });
        ofFilter.push(last);
      }
      if (last !== undefined) ends.push(last);
    });
    return {
      ...(filter && { ofPictures: this.joined(ofPictures) }),
      ...(pictures && { ofFilter: this.filterOf(this.sum(ofFilter)) }),
    };
  }

  private forEach(run: (begin: number, count: number) => void): void {
    let begin = 0;
    for (const count of this.counts) {
      run(begin, count);
      begin += count;
    }
  }

  private transform(transform: Transform, count: number, from: RecordedValue, after?: RecordedValue): RecordedValue {
    const { called, result } = this.loops.transform(transform, this.tiling, count, from.dtype);
    return this.recording.insertCall(called, [from], result, after);
  }

  /** `[3, 3, channels, filters]` to `[36, channels, filters]`. */
  private filters(filter: RecordedValue): RecordedValue {
    const [, , channels, filters] = this.tiling.filter;
    const pixels = this.recording.insertReshape(filter, [1, PIXELS ** 2, channels * filters]);
    return this.recording.insertReshape(this.product(this.matrix(), pixels), [REACH ** 2, channels, filters]);
  }

  /** The gradient of that. */
  private filterOf(gradient: RecordedValue): RecordedValue {
    const [, , channels, filters] = this.tiling.filter;
    const products = this.recording.insertReshape(gradient, [1, REACH ** 2, channels * filters]);
    return this.recording.insertReshape(this.product(this.matrix(), products, { turnsFirst: true }), this.tiling.filter);
  }

  private matrix(): RecordedValue {
    return this.recording.insertConstant([1, REACH ** 2, PIXELS ** 2], TF_FLOAT, Float32Array.from(FILTERS));
  }

  private examples(value: RecordedValue, begin: number, count: number, shape: readonly number[]): RecordedValue {
    if (this.counts.length === 1) return value;
    const [from, size] = [
      [begin, 0, 0, 0],
      [count, ...shape.slice(1)],
    ].map((extents) => this.recording.insertConstant([extents.length], TF_INT32, Int32Array.from(extents)));
    return this.recording.insert('Slice', [typeAttr('T', value.dtype), typeAttr('Index', TF_INT32)], [value, from, size])[0];
  }

  private joined(values: readonly RecordedValue[]): RecordedValue {
    if (values.length === 1) return values[0];
    const axis = this.recording.insertConstant([], TF_INT32, Int32Array.of(0));
    const attributes = [intAttr('N', values.length), typeAttr('T', TF_FLOAT), typeAttr('Tidx', TF_INT32)];
    return this.recording.insert('ConcatV2', attributes, [...values, axis])[0];
  }

  private sum(values: readonly RecordedValue[]): RecordedValue {
    if (values.length === 1) return values[0];
    return this.recording.insert('AddN', [intAttr('N', values.length), typeAttr('T', TF_FLOAT)], values)[0];
  }

  private product(
    a: RecordedValue,
    b: RecordedValue,
    { turnsFirst = false, turnsSecond = false }: { turnsFirst?: boolean; turnsSecond?: boolean } = {},
  ): RecordedValue {
    const attributes = [typeAttr('T', TF_FLOAT), boolAttr('adj_x', turnsFirst), boolAttr('adj_y', turnsSecond)];
    return this.recording.insert('BatchMatMulV2', attributes, [a, b])[0];
  }
}
