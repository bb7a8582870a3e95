/**
 * Owns: random numbers that are a function of (key, epoch, row in the data set, element) alone, drawn in TensorFlow, for augmentation: whoever reads an
 * example draws its numbers, in whatever batch, shard or order it comes. The words are those of `exampleWords` (common/random.ts).
 * Does not: choose keys.
 *
 * TensorFlow's own stateless ops count on from one counter, so that they serve rows in order alone (keyed_random.ts); here each row has a counter, and
 * Philox is composed (philox.ts), all rows and blocks at once.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';
import type { PhiloxKey } from '../../common/random.js';
import { TF_FLOAT, TF_INT32, TF_UINT64 } from '../capi/data_types.js';
import { sliceElements } from './dropout.js';
import type { TensorMetadata } from '../backend/op_executor.js';
import { grown, philox, unsigned, word, WORD, type CounterWords } from '../lowering/philox.js';
import { cast, intAttr, reshape, typeAttr, withRawOps, type RawOps } from '../backend/raw_ops.js';

export interface ExampleDraw {
  readonly key: PhiloxKey;
  /** int32 [n]: where the examples stand in the data set. */
  readonly rows: tfjs.Tensor;
  /** int32 [2]: low word, high word. */
  readonly epoch: tfjs.Tensor;
}

/** float32 `[n, elements]`, uniform in [0, 1): the 24 high bits of a word each. */
export function exampleUniforms(elements: number, draw: ExampleDraw): tfjs.Tensor2D {
  const examples = draw.rows.shape[0];
  const blocks = Math.ceil(elements / 4);
  return withRawOps((ops) => {
    const words = wordsOf(ops, blocks, draw);
    const high = ops.one('RightShift', [words, word(ops, 8)], [typeAttr('T', TF_UINT64)]);
    const scaled = ops.one(
      'Mul',
      [cast(ops, high, TF_UINT64, TF_FLOAT), ops.constant(Float32Array.of(2 ** -24), [], TF_FLOAT)],
      [typeAttr('T', TF_FLOAT)],
    );
    const flat = reshape(ops, scaled, TF_FLOAT, [examples, 4 * blocks]);
    return ops.keep(sliceElements(ops, flat, TF_FLOAT, examples, elements)) as tfjs.Tensor2D;
  });
}

/** float32 `[n, elements]` of mean 0 and deviation 1, by Box and Muller: element i of the first half is r·cos, of the second r·sin. */
export function exampleNormals(elements: number, draw: ExampleDraw): tfjs.Tensor2D {
  return tf.tidy(() => {
    const pairs = Math.ceil(elements / 2);
    const examples = draw.rows.shape[0];
    const uniforms = exampleUniforms(2 * pairs, draw);
    const [first, second] = [0, pairs].map((begin) => tf.slice(uniforms, [0, begin], [examples, pairs]));
    const radius = tf.sqrt(tf.mul(tf.log(tf.sub(1, first)), -2));
    const angle = tf.mul(second, 2 * Math.PI);
    const both = tf.concat([tf.mul(radius, tf.cos(angle)), tf.mul(radius, tf.sin(angle))], 1);
    return tf.slice(both, [0, 0], [examples, elements]) as tfjs.Tensor2D;
  });
}

/** uint64 `[n, blocks, 4]`, each below 2^32. */
function wordsOf(ops: RawOps, blocks: number, { key, rows, epoch }: ExampleDraw): TensorMetadata {
  const part = (begin: number): TensorMetadata => {
    const [from, size] = [begin, 1].map((at) => ops.constant(Int32Array.of(at), [1], TF_INT32));
    return ops.one('Slice', [epoch, from, size], [typeAttr('T', TF_INT32), typeAttr('Index', TF_INT32)]);
  };
  const numbers = ops.constant(
    Int32Array.from({ length: blocks }, (_, block) => block),
    [1, blocks],
    TF_INT32,
  );
  const column = reshape(ops, rows, TF_INT32, [rows.shape[0], 1]);
  const counters: CounterWords = [unsigned(ops, numbers), unsigned(ops, column), unsigned(ops, part(0)), unsigned(ops, part(1))];
  const words = philox(ops, counters, (round) => {
    const [low, high] = grown(round);
    return [word(ops, (key.low + low) % WORD), word(ops, (key.high + high) % WORD)];
  });
  return ops.one('Pack', words, [intAttr('N', 4), typeAttr('T', TF_UINT64), intAttr('axis', 2)]);
}
