/** Prints as JSON what this process's environment makes of TensorFlow's arithmetic. */
import { arithmeticProbe, installEngine } from '../../dist/engine/index.js';

const engine = installEngine({ device: 'CPU:0', intraOpThreads: 1 });
const { oneDnn, oneDnnIsa } = engine.info;
const [eager, compiled] = [false, true].map((compile) => arithmeticProbe(engine, { compile }));
console.log(JSON.stringify({ oneDnn, oneDnnIsa, eager, compiled }));
engine.dispose();
