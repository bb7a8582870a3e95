/**
 * A thread that installs its own engine, multiplies matrices until all threads have begun, and sends back what it got; it runs the built code.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { installEngine } from '../../build/engine/index.js';

const { folder, device, logicalCpuDevices, intraOpThreads, started, threads, endsWithoutDisposing } = workerData;
const engine = installEngine({ folder, device, logicalCpuDevices, intraOpThreads });
const { tf } = engine;
const begun = new Int32Array(started);
Atomics.add(begun, 0, 1);
let rounds = 0;
let sum = 0;
do {
  sum = tf.tidy(() => {
    const x = tf
      .range(0, 64 * 64)
      .reshape([64, 64])
      .div(4096);
    return tf.matMul(x, x).sum().dataSync()[0];
  });
  rounds++;
} while (Atomics.load(begun, 0) < threads || rounds < 50);
parentPort.postMessage({ sum, handles: engine.liveHandles(), device: engine.info.device });
if (!endsWithoutDisposing) engine.dispose();
