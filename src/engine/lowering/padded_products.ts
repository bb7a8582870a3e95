/**
 * Owns: which products of matrices are computed with more columns than are asked for, and how. Does not: know convolutions (product_ops.ts).
 *
 * Without AVX-512 oneDNN multiplies matrices of few rows or columns as they lie. Where the rows of the second one are 2 KB long, or a multiple of it, numbers below each other share
 * few places in the processor's cache, and a product of 1,024 columns takes twice as long as one of 1,040 (docs/benchmarks.md, findings/tensorflow_matmul_1024_columns.sh). A copy
 * with longer rows takes a tenth of that. Each number is the sum that it was, in the same order.
 */
import type { GraphAdditions } from '../compile/graph_additions.js';
import { attributeOf, type RecordedNode, type RecordedValue } from '../compile/recorded.js';
import { TF_FLOAT } from '../capi/data_types.js';
import { instructionSet } from '../tensorflow/instruction_set.js';
import { multipliesByAvx512, type OneDnnUse } from '../tensorflow/one_dnn.js';

/** Numbers in 2 KB, and as many more as are a line of the cache. */
const ALIASED_COLUMNS = 512;
const MORE_COLUMNS = 16;
/** Of 1/rows + 1/columns, from which on oneDNN copies nothing (its gemm_driver). */
const AS_THEY_LIE = 0.0038;
/** Multiplications for which the copy pays. */
const FEWEST_PRODUCTS = 2 ** 23;

/** Whether this processor's products are so. `ceiling`: the level that oneDNN is held to (one_dnn.ts). */
export function padsProducts(
  { precision, oneDnn, ceiling }: { precision: 'fp32' | 'bf16'; oneDnn: OneDnnUse; ceiling: string },
  instructions = instructionSet(),
): boolean {
  const isNarrow = /^x64 .*\bavx2\b/.test(instructions) && !multipliesByAvx512(instructions, ceiling);
  return precision === 'fp32' && oneDnn === 'on' && isNarrow && !['SSE41', 'AVX'].includes(ceiling);
}

/** Nodes of a function that are computed so. */
export function planPadded(nodes: readonly RecordedNode[]): ReadonlySet<RecordedNode> {
  return new Set(nodes.filter(isSlow));
}

/** Adds what gives the same as a node that was chosen. `inputs`: the node's; `padded`: the second one with more columns. */
export function insertPadded(
  add: GraphAdditions,
  { op, attributes, outputs: [{ shape }] }: RecordedNode,
  { first, padded }: { readonly first: RecordedValue; readonly padded: RecordedValue },
): RecordedValue {
  return add.slice(add.one(op, attributes, [first, padded]), [0, 0], shape);
}

export function withMoreColumns(add: GraphAdditions, matrix: RecordedValue): RecordedValue {
  return add.padded(matrix, [
    [0, 0],
    [0, MORE_COLUMNS],
  ]);
}

function isSlow(node: RecordedNode): boolean {
  const { op, inputs, outputs } = node;
  const [{ shape, dtype }] = outputs;
  if (op !== 'BatchMatMulV2' || dtype !== TF_FLOAT || shape.length !== 2 || attributeOf(node, 'adj_y') === true) return false;
  const [rows, columns] = shape;
  const [inner] = inputs[1].shape;
  // By the columns that there will be: else they might be what has oneDNN copy.
  const isAsItLies = 1 / rows + 1 / (columns + MORE_COLUMNS) >= AS_THEY_LIE;
  return columns % ALIASED_COLUMNS === 0 && isAsItLies && rows * inner * columns >= FEWEST_PRODUCTS;
}
