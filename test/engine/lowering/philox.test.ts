/** Owns: that words drawn by XLA are those of TensorFlow's op, which philoxBlock gives in JavaScript. */
import * as tf from '@tensorflow/tfjs';
import { describe, expect, it, vi } from 'vitest';
import { dropoutMask } from '../../../src/common/dropout_mask.js';
import { philoxBlock } from '../../../src/common/random.js';
import { TF_INT32, TF_INT64, TF_UINT32, TF_UINT64 } from '../../../src/engine/capi/data_types.js';
import { FusedLoops } from '../../../src/engine/lowering/fused_loops.js';
import { GraphFunction } from '../../../src/engine/compile/graph_function.js';
import { keyedDropout, upload } from '../../../src/engine/index.js';
import { LOOP_ELEMENTS } from '../../../src/engine/lowering/loop_plan.js';
import { bitcast, withRawOps } from '../../../src/engine/backend/raw_ops.js';
import { engineForTests } from '../../support/gradient_checks.js';

const key = { low: 0x9abcdef0, high: 0xf2345678 };
const step = 5 * 2 ** 32 + 0x80000003;

describe('words drawn by XLA', () => {
  const engine = engineForTests();

  // The second counts on from one low word to the next.
  it.each([0, 2 ** 32 - 3, 7 * 2 ** 32 + 11])('are those of the blocks from %i on', (first) => {
    const blocks = 9;
    const { called } = new FusedLoops(
      engine(),
      (recording, output) => new GraphFunction(engine(), recording, 'words', [output], { asRecorded: true }),
    ).words(blocks);
    const drawn = withRawOps((ops) => {
      const numbers = (...words: number[]) => {
        const values = ops.constant(Int32Array.from(words), [words.length / 2], TF_INT64);
        return bitcast(ops, values, TF_INT64, TF_UINT64).id;
      };
      const counter = [first, Math.floor(first / 2 ** 32), step, Math.floor(step / 2 ** 32)];
      const [pairs] = (called as GraphFunction).call([numbers(key.low, key.high), numbers(...counter)]);
      const words = ops.keep(bitcast(ops, bitcast(ops, pairs, TF_UINT64, TF_UINT32), TF_UINT32, TF_INT32));
      engine().binding.deleteTensor(pairs.id);
      return words;
    });
    (called as GraphFunction).dispose();
    const wanted = Array.from({ length: blocks }, (_, at) => {
      const words = new Uint32Array(4);
      const counter = first + at;
      philoxBlock(key, counter >>> 0, Math.floor(counter / 2 ** 32), step >>> 0, 5, words, 0);
      return [...new Int32Array(words.buffer)];
    });
    expect([...drawn.dataSync()]).toEqual(wanted.flat());
    drawn.dispose();
  });

  // Of 0.25 an element takes 8 bits, of 0.3 it takes 16; the counter of the second example has another high word.
  it.each([0.25, 0.3])('make the specified mask of many elements, rate %d', (rate) => {
    const elements = 4 * LOOP_ELEMENTS;
    const firstExample = 2 ** 32 / Math.ceil(elements / (rate === 0.25 ? 16 : 8)) - 1;
    const specified = dropoutMask({ key, step, firstExample, examples: 2, elementsPerExample: elements, rate });
    // With fuse XLA draws where it has other loops: of four passes, as the second result.
    const draw = (x: tf.Tensor, position: tf.Tensor): tf.Tensor[] => [
      keyedDropout(x, rate, key, position),
      tf.neg(tf.add(tf.mul(tf.square(x), 2), 1)),
    ];
    const words = vi.spyOn(FusedLoops.prototype, 'words');
    for (const options of [{ fuse: true }, { xla: 'required' as const }]) {
      const drawing = engine().compile(draw, { name: 'draw', ...options });
      const drawn = tf.tidy(() => {
        const position = upload(engine(), Int32Array.of(step | 0, 5, firstExample, 0), [4]);
        return drawing(tf.ones([2, elements]), position)[0].dataSync();
      });
      const wrong = specified.findIndex((factor, at) => factor !== drawn[at]);
      expect(wrong).toBe(-1);
      expect(words).toHaveBeenCalledTimes('xla' in options || engine().context.fuses ? 1 : 0);
      words.mockClear();
      drawing.dispose();
    }
    words.mockRestore();
  });
});
