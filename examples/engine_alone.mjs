/**
 * The engine by itself: current TensorFlow under plain tfjs, and a function compiled into one TensorFlow graph.
 * Usage: node examples/engine_alone.mjs
 */
import * as tf from '@tensorflow/tfjs';
import { ensureTensorFlow, installEngine } from 'tfjs-parallel/engine';

// Finds TensorFlow, or fetches it once into the cache.
const { folder } = await ensureTensorFlow({ onProgress: (line) => console.error(line) });
const engine = installEngine({ folder });
console.log(`TensorFlow ${engine.info.tensorflowVersion} on ${engine.info.device}`);

tf.add(tf.tensor1d([1, 2, 3]), tf.tensor1d([10, 20, 30])).print();

// Runs as it is the first times, to be recorded; from then on as one call.
const distance = engine.compile((a, b) => tf.sqrt(tf.sum(tf.square(tf.sub(a, b)))));
for (const x of [3, 6, 9]) {
  const [from, to] = [tf.tensor1d([0, 0]), tf.tensor1d([x, (x / 3) * 4])];
  console.log(`distance ${distance(from, to).dataSync()[0]}`);
}
distance.dispose();
engine.dispose();
