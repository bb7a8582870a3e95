/** Owns: that TensorFlow is on the machine before the first test: tests open it as users do who have trained before. Vitest's global setup. */
import { ensureTensorFlow } from '../../src/engine/tensorflow/tensorflow_library.js';

export default async function setup(): Promise<void> {
  await ensureTensorFlow({ onProgress: (line) => process.stderr.write(`${line}\n`) });
}
