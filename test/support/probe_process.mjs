/** Prints as JSON what this process's environment makes of TensorFlow's arithmetic. */
import { arithmeticProbe, installEngine } from '../../build/engine/index.js';

const engine = installEngine({ device: 'CPU:0', intraOpThreads: 1, precision: process.argv[2] ?? 'fp32' });
const { oneDnn, oneDnnIsa } = engine.info;
const [eager, compiled] = [false, true].map((compile) => arithmeticProbe(engine, { compile }));
const inherited = process.env.TF_ENABLE_ONEDNN_OPTS ?? null;
console.log(JSON.stringify({ oneDnn, oneDnnIsa, eager, compiled, inherited }));
engine.dispose();
