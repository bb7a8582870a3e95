/** Owns: that an optimizer on a device gives the bits it has on the host, denormals and all. */
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG } from '../../../src/common/train_config.js';
import type { OptimizerConfig } from '../../../src/common/train_config.js';
import {
  compileSlices,
  load,
  register,
  SLICE_ELEMENTS,
  store,
} from '../../../src/coordinator/planes/exact/update/slice_kernels.js';
import { download, installEngine, upload, type Engine } from '../../../src/engine/index.js';
import {
  absolute,
  add,
  divide,
  maximum,
  multiply,
  operand,
  programOf,
  squareRoot,
  subtract,
} from '../../../src/optimizers/expression.js';
import type { Program } from '../../../src/optimizers/expression.js';
import { firstSlots, optimizerProgram } from '../../../src/optimizers/optimizer_program.js';
import { OPTIMIZER_NAMES } from '../../../src/optimizers/settings.js';
import { graphUpdate } from '../../../src/worker/replica/graph_update.js';
import { differences, DRAWS, draw } from '../../support/float_draws.js';

const DRAWN = 2 ** 18;

function onHost(program: Program, operands: readonly Float32Array[], scalars: readonly number[]): Float32Array[] {
  const kernel = compileSlices(program);
  const registers = operands.map((_, index) => register(index));
  const results = program.outputs.map(() => new Float32Array(operands[0].length));
  for (let start = 0; start < operands[0].length; start += SLICE_ELEMENTS) {
    const end = Math.min(start + SLICE_ELEMENTS, operands[0].length);
    operands.forEach((values, index) => load(registers[index], values.subarray(start, end)));
    kernel({ registers, scalars, length: end - start });
    program.outputs.forEach((output, index) => store(registers[output.operand], results[index].subarray(start, end)));
  }
  return results;
}

describe('on a device', () => {
  let engine: Engine;
  beforeAll(() => {
    engine = installEngine();
  });
  afterAll(() => engine.dispose());

  function onDevice(program: Program, operands: readonly Float32Array[], scalars: readonly number[]): Float32Array[] {
    const update = graphUpdate(tf, program);
    const compiled = engine.compile((values: tf.Tensor[], numbers: tf.Scalar[]) => update(values, numbers, (rounded) => rounded));
    const tensors = operands.map((values) => upload(engine, values, [values.length]));
    const numbers = scalars.map((value) => tf.scalar(value));
    const outputs = compiled(tensors, numbers);
    const results = outputs.map((tensor) => {
      const values = new Float32Array(tensor.size);
      download(engine, tensor, values);
      return values;
    });
    tf.dispose([...tensors, ...numbers, ...outputs]);
    compiled.dispose();
    return results;
  }

  const [a, b] = ['a', 'b'].map(operand);
  const OPERATIONS = {
    add: add(a, b),
    subtract: subtract(a, b),
    multiply: multiply(a, b),
    divide: divide(a, b),
    maximum: maximum(absolute(a), absolute(b)),
    squareRoot: squareRoot(a),
  };

  it.each(Object.entries(OPERATIONS))('%s rounds and flushes as on the host: a million pairs', (_, result) => {
    const program = programOf(['a', 'b'], { a: result });
    const before = tf.memory().numTensors;
    for (const [name, value] of Object.entries(DRAWS)) {
      const operands = [draw(value, DRAWN), draw(value, DRAWN)];
      const [host] = onHost(program, operands, []);
      const [device] = onDevice(program, operands, []);
      expect(differences(host, device), name).toBe(0);
    }
    expect(tf.memory().numTensors).toBe(before);
  });

  /** Every optimizer plainly, and with what changes its list of operations. */
  const CASES: [string, Partial<OptimizerConfig>][] = [
    ...OPTIMIZER_NAMES.map((name): [string, Partial<OptimizerConfig>] => [name, { name }]),
    ['sgd with momentum and weight decay', { momentum: 0.9, weightDecay: 5e-4 }],
    ['sgd with Nesterov momentum', { momentum: 0.9, nesterov: true }],
    ['adamw with weight decay', { name: 'adamw', weightDecay: 0.01 }],
    ['adam with a moving average of the weights', { name: 'adam', emaDecay: 0.99 }],
  ];

  it.each(CASES)('%s: three steps of a million weights have the bits of the host', (_, change) => {
    const config = { ...DEFAULT_TRAIN_CONFIG.optimizer, ...change };
    const { slots, program } = optimizerProgram(config);
    for (const [name, value] of Object.entries(DRAWS)) {
      const weights = draw(value, DRAWN);
      const initial = [weights, ...firstSlots(slots, weights)];
      let [host, device] = [initial, initial];
      for (let step = 0; step < 3; step++) {
        const gradient = draw(value, DRAWN);
        const scalars = program.scalars.map((at) => at({ learningRate: 0.1, step }));
        host = onHost(program, [gradient, ...host], scalars);
        device = onDevice(program, [gradient, ...device], scalars);
        host.forEach((values, index) => expect(differences(values, device[index]), `${name}, step ${step}`).toBe(0));
      }
    }
  });
});
