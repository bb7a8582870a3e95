/**
 * Owns: the ops by which a convolution or its gradients are computed by Winograd's minimal filtering, some examples after the others.
 * Does not: choose convolutions (winograd.ts) or transform (winograd_transforms.ts).
 */
import type { FusedLoops } from './fused_loops.js';
import { TF_FLOAT } from '../capi/data_types.js';
import type { GraphAdditions } from '../compile/graph_additions.js';
import { typeAttr } from '../backend/raw_ops.js';
import type { RecordedNode, RecordedValue } from '../compile/recorded.js';
import { partsOf, PIXELS, REACH, tilingOf, type Tiling } from './winograd.js';
import { FILTER_MATRIX, type Transform } from './winograd_transforms.js';

/** A row for each of the 36 products of a tile, a column for each pixel of a filter. */
const FILTERS = FILTER_MATRIX.flatMap((rows) =>
  FILTER_MATRIX.flatMap((columns) => rows.flatMap((a) => columns.map((b) => a * b))),
);

interface Insertion {
  /** Of each node, lowered. */
  readonly inputs: readonly (readonly RecordedValue[])[];
  /** As many parts of a batch are computed side by side. */
  readonly threads: number;
  /** Whether maps are 0 exactly where all pixels under a filter are. */
  readonly keepsZeros: boolean;
}

/** What the nodes of one group give. */
export function insertWinograd(
  add: GraphAdditions,
  loops: FusedLoops,
  nodes: readonly RecordedNode[],
  { inputs, threads, keepsZeros }: Insertion,
): RecordedValue[] {
  const ops = new WinogradOps(add, loops, tilingOf(nodes[0]), threads);
  const at = (op: string): readonly RecordedValue[] | undefined => inputs[nodes.findIndex((node) => node.op === op)];
  const forward = at('Conv2D');
  if (forward !== undefined) return [ops.forward(forward[0], forward[1], { keepsZeros })];
  const [pictures, filters] = [at('Conv2DBackpropFilter'), at('Conv2DBackpropInput')];
  const made = ops.gradients((pictures ?? filters)![2], { pictures: pictures?.[0], filter: filters?.[1] });
  return nodes.map(({ op }) => (op === 'Conv2DBackpropFilter' ? made.ofFilter! : made.ofPictures!));
}

/** Examples that are computed at a time. */
interface Part {
  readonly begin: number;
  readonly count: number;
}

class WinogradOps {
  private readonly parts: readonly Part[];
  private readonly beside: number;

  constructor(
    private readonly add: GraphAdditions,
    private readonly loops: FusedLoops,
    private readonly tiling: Tiling,
    threads: number,
  ) {
    const { examples, beside } = partsOf(tiling, threads);
    let begin = 0;
    this.parts = examples.map((count) => ({ begin: (begin += count) - count, count }));
    this.beside = beside;
  }

  forward(pictures: RecordedValue, filter: RecordedValue, { keepsZeros }: { keepsZeros: boolean }): RecordedValue {
    const transformed = this.filters(filter, pictures);
    const maps: RecordedValue[] = [];
    for (const part of this.parts) {
      const after = maps.at(-this.beside);
      const own = this.own('pictures', part, pictures, after);
      const product = this.add.product(this.transform('pictures', part, [own], after), transformed);
      const map = keepsZeros
        ? this.transform('mapsOfPlaces', part, [product, this.transform('places', part, [own], after)])
        : this.transform('maps', part, [product]);
      maps.push(map);
    }
    return this.add.concat(maps, 0);
  }

  /** Of what is given: of the filter where the pictures are, and the other way round. */
  gradients(
    gradient: RecordedValue,
    { pictures, filter }: { pictures?: RecordedValue; filter?: RecordedValue },
  ): { ofPictures?: RecordedValue; ofFilter?: RecordedValue } {
    const transformed = filter && this.filters(filter, gradient);
    const [ofPictures, ends]: RecordedValue[][] = [[], []];
    let sum: RecordedValue | undefined;
    for (const part of this.parts) {
      const tiles = this.tiles('gradients', part, gradient, ends.at(-this.beside));
      let last = tiles;
      if (transformed !== undefined) {
        last = this.transform('gradientsOfPictures', part, [this.add.product(tiles, transformed, { turnsSecond: true })]);
        ofPictures.push(last);
      }
      if (pictures !== undefined) {
        const product = this.add.product(this.tiles('pictures', part, pictures, last), tiles, { turnsFirst: true });
        sum = last = sum === undefined ? product : this.add.one('AddV2', [typeAttr('T', TF_FLOAT)], [sum, product]);
      }
      ends.push(last);
    }
    return { ...(filter && { ofPictures: this.add.concat(ofPictures, 0) }), ...(sum && { ofFilter: this.filterOf(sum) }) };
  }

  /** Of a part of all pictures, or of the gradients of all maps; not before `after`, so that memory holds few parts at a time. */
  private tiles(of: 'pictures' | 'gradients', part: Part, all: RecordedValue, after?: RecordedValue): RecordedValue {
    return this.transform(of, part, [this.own(of, part, all, after)], after);
  }

  private own(of: 'pictures' | 'gradients', { begin, count }: Part, all: RecordedValue, after?: RecordedValue): RecordedValue {
    const { x, y } = this.tiling;
    const size = [count, ...(of === 'pictures' ? x : y).slice(1)];
    return this.parts.length === 1 ? all : this.add.slice(all, [begin, 0, 0, 0], size, { after });
  }

  private transform(transform: Transform, { count }: Part, from: readonly RecordedValue[], after?: RecordedValue): RecordedValue {
    const { called, result } = this.loops.transform(transform, this.tiling, count, from[0].dtype);
    return this.add.call(called, from, result, { after });
  }

  /** `[3, 3, channels, filters]` to `[36, channels, filters]`, not before `after`. */
  private filters(filter: RecordedValue, after: RecordedValue): RecordedValue {
    const [, , channels, filters] = this.tiling.filter;
    const pixels = this.add.reshape(filter, [1, PIXELS ** 2, channels * filters]);
    return this.add.reshape(this.add.product(this.matrix(), pixels, { after }), [REACH ** 2, channels, filters]);
  }

  /** The gradient of that. */
  private filterOf(gradient: RecordedValue): RecordedValue {
    const [, , channels, filters] = this.tiling.filter;
    const products = this.add.reshape(gradient, [1, REACH ** 2, channels * filters]);
    return this.add.reshape(this.add.product(this.matrix(), products, { turnsFirst: true }), this.tiling.filter);
  }

  private matrix(): RecordedValue {
    return this.add.constant([1, REACH ** 2, PIXELS ** 2], TF_FLOAT, Float32Array.from(FILTERS));
  }
}
