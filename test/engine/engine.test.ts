import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TensorFlowError, ensureTensorFlow, installEngine, type Engine } from '../../src/engine/index.js';

describe('the engine under tfjs', () => {
  let engine: Engine;
  let folder: string;
  beforeAll(async () => {
    ({ folder } = await ensureTensorFlow());
    engine = installEngine({ folder, device: 'CPU:0' });
  });
  afterAll(() => engine.dispose());

  it('is the current backend of the tfjs that the user imports', () => {
    // An import has a namespace of its own around what require gives.
    expect(engine.tf.engine()).toBe(tf.engine());
    expect(engine.tf.Tensor).toBe(tf.Tensor);
    expect(tf.getBackend()).toBe('tensorflow');
    expect(Array.from(tf.add([1, 2, 3], [10, 20, 30]).dataSync())).toEqual([11, 22, 33]);
  });

  it('says what it runs on', () => {
    expect(engine.info.tensorflowVersion).toMatch(/^2\.21\./);
    expect(engine.info.device).toBe('CPU:0');
    expect(engine.info.deviceModel).not.toBe('');
    expect(engine.info.instructionSet).toContain(process.arch);
  });

  it('gives the same engine for the same options, and refuses others', () => {
    expect(installEngine({ device: 'CPU:0', folder })).toBe(engine);
    expect(() => installEngine({ folder })).toThrow(expect.objectContaining({ code: 'ENGINE_ALREADY_INSTALLED' }) as Error);
  });

  describe.each([
    ['float32', [1.5, -0, 2 ** 127, 2 ** -149]],
    ['int32', [0, -1, 2147483647, -2147483648]],
    ['bool', [1, 0, 0, 1]],
  ] as const)('%s', (dtype, values) => {
    it.each([[[4]], [[2, 2]], [[1, 2, 1, 2, 1]]])('comes back from TensorFlow as it went in, shape %j', (shape) => {
      tf.tidy(() => {
        expect(Array.from(tf.reverse(tf.reverse(tf.tensor(Array.from(values), [4], dtype).reshape(shape))).dataSync())).toEqual([
          ...values,
        ]);
      });
    });

    it('may be a scalar or empty', () => {
      tf.tidy(() => {
        expect(Array.from(tf.scalar(values[0], dtype).expandDims().dataSync())).toEqual([values[0]]);
        expect(tf.tensor([], [0, 3], dtype).concat(tf.tensor([], [0, 3], dtype)).shape).toEqual([0, 3]);
        expect(tf.tensor([], [0, 3], dtype).transpose().dataSync()).toHaveLength(0);
      });
    });
  });

  it('multiplies complex numbers: (1 + 2i)(3 - i) = 5 + 5i', () => {
    tf.tidy(() => {
      const product = tf.mul(tf.complex([1, 0], [2, 0]), tf.complex([3, 0], [-1, 0]));
      expect(product.dtype).toBe('complex64');
      expect(Array.from(product.dataSync())).toEqual([5, 5, 0, 0]);
    });
  });

  it('passes strings of any length and any bytes', () => {
    const strings = ['', 'a', '22 bytes, kept in place', 'a much longer string that TensorFlow keeps elsewhere', 'äöü 漢字'];
    tf.tidy(() => {
      const doubled = tf.concat([tf.tensor1d(strings), tf.tensor1d(strings)]);
      expect(doubled.dataSync()).toEqual([...strings, ...strings]);
    });
    const notUtf8 = [Uint8Array.of(0xff, 0, 0xfe), new Uint8Array(0)];
    const id = engine.binding.createTensor([2], engine.binding.TF_STRING, notUtf8);
    expect(engine.binding.tensorDataSync(id)).toEqual(notUtf8);
    engine.binding.deleteTensor(id);
  });

  it('keeps strings alive in tensors that share memory with a deleted one', () => {
    const { binding } = engine;
    const long = new TextEncoder().encode('longer than what fits into a string object itself');
    const first = binding.createTensor([1], binding.TF_STRING, [long]);
    const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_STRING };
    const [second] = binding.executeOp('Identity', [type], [first], 1);
    binding.deleteTensor(first);
    expect(binding.tensorDataSync(second.id)).toEqual([long]);
    binding.deleteTensor(second.id);
  });

  it('takes int64 and uint8 as tfjs-node does', () => {
    const { binding } = engine;
    const int64 = binding.createTensor([2], binding.TF_INT64, Int32Array.of(7, 0, -1, -1));
    expect(binding.tensorDataSync(int64)).toEqual(BigInt64Array.of(7n, -1n));
    const uint8 = binding.createTensor([3], binding.TF_UINT8, Uint8Array.of(0, 128, 255));
    expect(binding.tensorDataSync(uint8)).toEqual(Int32Array.of(0, 128, 255));
    for (const id of [int64, uint8]) binding.deleteTensor(id);
  });

  it('reads a resource handle as bytes', () => {
    const { binding } = engine;
    const attributes = [
      { name: 'dtype', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
      { name: 'shape', type: binding.TF_ATTR_SHAPE, value: [2] },
      { name: 'shared_name', type: binding.TF_ATTR_STRING, value: 'a variable' },
    ];
    const [resource] = binding.executeOp('VarHandleOp', attributes, [], 1);
    expect(resource.dtype).toBe(binding.TF_RESOURCE);
    expect((binding.tensorDataSync(resource.id) as Uint8Array).length).toBeGreaterThan(0);
    binding.deleteTensor(resource.id);
  });

  it('reads into shared memory, of exactly its size', () => {
    const { binding } = engine;
    const shared = new Float32Array(new SharedArrayBuffer(16));
    const id = binding.createTensor([2], binding.TF_FLOAT, Float32Array.of(1, 2));
    binding.tensorDataInto(id, shared.subarray(1, 3));
    expect(Array.from(shared)).toEqual([0, 1, 2, 0]);
    expect(() => binding.tensorDataInto(id, shared)).toThrow('A tensor of 8 bytes cannot be read into an array of 16 bytes');
    binding.deleteTensor(id);
  });

  it('refuses values that do not fit type or shape', () => {
    const { binding } = engine;
    expect(() => binding.createTensor([2], binding.TF_FLOAT, Int32Array.of(1, 2))).toThrow(
      'Tensor type does not match Int32Array',
    );
    expect(() => binding.createTensor([3], binding.TF_FLOAT, Float32Array.of(1, 2))).toThrow('num_elements=3, array_length=2');
    expect(() => binding.createTensor([1], 99, Float32Array.of(1))).toThrow('Unhandled TF_DataType: 99');
    expect(() => binding.tensorDataSync(-1)).toThrow('Get data called on a Tensor not referenced (tensor_id: -1)');
  });

  it("carries TensorFlow's own message, with its code", () => {
    const { binding } = engine;
    const before = engine.liveHandles();
    const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
    const two = binding.createTensor([2], binding.TF_FLOAT, Float32Array.of(1, 2));
    const three = binding.createTensor([3], binding.TF_FLOAT, Float32Array.of(1, 2, 3));
    expect(() => binding.executeOp('AddV2', [type], [two, three], 1)).toThrow(
      expect.objectContaining({
        tfCode: 'INVALID_ARGUMENT',
        message: expect.stringMatching(/^AddV2: .*Incompatible shapes: \[2\] vs. \[3\]/),
      }) as Error,
    );
    expect(() => binding.executeOp('NoSuchOp', [], [], 1)).toThrow(TensorFlowError);
    expect(() => binding.executeOp('AddV2', [type], [two], 1)).toThrow(TensorFlowError);
    for (const id of [two, three]) binding.deleteTensor(id);
    expect(engine.liveHandles()).toBe(before);
  });

  it('counts every handle: as many after 200 steps as after 20', () => {
    const weights = tf.variable(tf.ones([7, 3]));
    const inputs = tf.ones([5, 7]);
    const step = (): void => {
      tf.tidy(() => {
        const { grads } = tf.variableGrads(() => tf.matMul(inputs, weights).softmax().square().mean(), [weights]);
        weights.assign(weights.sub(grads[weights.name].mul(0.1)));
        tf.tensor1d(['a', 'string'])
          .concat(tf.tensor1d(['and another']))
          .dataSync();
      });
    };
    for (let count = 0; count < 20; count++) step();
    const [handles, tensors] = [engine.liveHandles(), tf.memory().numTensors];
    for (let count = 20; count < 200; count++) step();
    expect(engine.liveHandles()).toBe(handles);
    expect(tf.memory().numTensors).toBe(tensors);
    tf.dispose([weights, inputs]);
  });

  it('saves and loads models by file://', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tfjs-parallel-model-'));
    try {
      const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, inputShape: [3] })] });
      await model.save(`file://${folder}`);
      const loaded = await tf.loadLayersModel(`file://${folder}/model.json`);
      expect(loaded.weights.map((weight) => weight.read().arraySync())).toEqual(
        model.weights.map((weight) => weight.read().arraySync()),
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('rounds integers to themselves, which TensorFlow since 2.17 does not', () => {
    expect(Array.from(tf.round(tf.tensor1d([-7, 0, 12345678], 'int32')).dataSync())).toEqual([-7, 0, 12345678]);
  });

  it('refuses SavedModels with the next step', () => {
    expect(() => engine.binding.loadSavedModel('/some/model', 'serve')).toThrow(
      expect.objectContaining({
        code: 'SAVED_MODEL_UNSUPPORTED',
        next: expect.stringContaining('tensorflowjs_converter') as string,
      }) as Error,
    );
  });
});
