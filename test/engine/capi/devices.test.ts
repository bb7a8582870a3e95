import * as tf from '@tensorflow/tfjs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Binding } from '../../../src/engine/backend/binding.js';
import type { Pointer } from '../../../src/engine/capi/c_api.js';
import { Context } from '../../../src/engine/capi/context.js';
import { ensureTensorFlow, installEngine, type Engine } from '../../../src/engine/index.js';
import { RecordedGraph } from '../../../src/engine/compile/recorded_graph.js';

describe('devices by name, on two logical processors', () => {
  let folder: string;
  let engine: Engine | undefined;
  beforeAll(async () => {
    ({ folder } = await ensureTensorFlow());
  });
  afterEach(() => engine?.dispose());

  const install = (device?: string): Engine => (engine = installEngine({ folder, device, logicalCpuDevices: 2 }));

  /** Where TensorFlow says that a tensor is. */
  function placeOf({ binding, context }: Engine, id: number): string {
    const { api, status } = context;
    return api.TFE_TensorHandleBackingDeviceName(binding.handles.get(id, 'Place of'), status.pointer);
  }

  const processorsOf = ({ devices }: Engine): string[] =>
    devices.map(({ name }) => name).filter((name) => name.startsWith('CPU'));

  it('places ops that a device leaves to the processor there, in a graph too, and all others not', () => {
    const { api } = install('CPU:1').context;
    const options = { device: 'CPU:1', logicalCpuDevices: 2, opsLeftToProcessor: new Set(['Neg']) };
    const context = new Context(api, options);
    const binding = new Binding(context);
    const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
    const input = binding.createTensor([2], binding.TF_FLOAT, Float32Array.of(1, 2));
    const [[negative], [square]] = ['Neg', 'Square'].map((op) => binding.executeOp(op, [type], [input], 1));
    const place = ({ id }: { id: number }): string =>
      api.TFE_TensorHandleBackingDeviceName(binding.handles.get(id, 'Place of'), context.status.pointer);
    expect([negative, square].map(place)).toEqual([expect.stringMatching(/CPU:0$/), expect.stringMatching(/CPU:1$/)]);
    const [both] = binding.executeOp('AddV2', [type], [negative.id, square.id], 1);
    expect(binding.tensorDataSync(both.id)).toEqual(Float32Array.of(0, 2));

    const deviceOf = api.library.func('TF_OperationDevice', 'str', ['void *']) as (operation: Pointer) => string;
    const graph = new RecordedGraph(context);
    const x = graph.placeholder('x', [2], binding.TF_FLOAT);
    const devices = ['Neg', 'Square'].map((op) =>
      deviceOf(graph.operation({ op, name: op, attributes: [type], inputs: [x], site: new Error() })),
    );
    expect(devices).toEqual([expect.stringMatching(/CPU:0$/), '']);
    graph.dispose();
    binding.dispose();
  });

  it.each(['CPU:0', '/CPU:1', 'cpu:1', '/job:localhost/replica:0/task:0/device:CPU:1'])(
    'places tensors and ops on %s',
    (name) => {
      const installed = install(name);
      const { binding } = installed;
      const index = name.slice(-1);
      expect(installed.info.device).toBe(`CPU:${index}`);
      expect(processorsOf(installed)).toEqual(['CPU:0', 'CPU:1']);
      const type = { name: 'T', type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT };
      const input = binding.createTensor([2], binding.TF_FLOAT, Float32Array.of(1, 2));
      const [output] = binding.executeOp('Neg', [type], [input], 1);
      expect(placeOf(installed, input)).toMatch(new RegExp(`CPU:${index}$`));
      expect(placeOf(installed, output.id)).toMatch(new RegExp(`CPU:${index}$`));
      expect(binding.tensorDataSync(output.id)).toEqual(Float32Array.of(-1, -2));
    },
  );

  it('computes the same on either', () => {
    const compute = (device: string): number[][] => {
      const { dispose } = install(device);
      const result = tf.tidy(
        () => tf.matMul(tf.range(0, 12).reshape([3, 4]), tf.range(0, 8).reshape([4, 2])).arraySync() as number[][],
      );
      dispose();
      return result;
    };
    expect(compute('CPU:1')).toEqual(compute('CPU:0'));
    expect(compute('CPU:1')[0]).toEqual([28, 34]);
  });

  it.each(['CPU:2', 'GPU:7', 'TPU'])('refuses %s and lists those that exist', (name) => {
    expect(() => install(name)).toThrow(
      expect.objectContaining({
        code: 'NO_SUCH_DEVICE',
        exitCode: 3,
        message: expect.stringContaining(`There is no device ${name}; TensorFlow sees CPU:0, CPU:1`) as string,
      }) as Error,
    );
  });

  it('may be installed again after it was disposed of', async () => {
    const first = install('CPU:1');
    first.dispose();
    expect(tf.findBackend('tensorflow')).toBeNull();
    install();
    expect(tf.tensor1d([1, 2]).add(1).arraySync()).toEqual([2, 3]);
    expect(tf.io.getSaveHandlers('file:///anywhere')).toHaveLength(1);
    await expect(tf.loadLayersModel('file:///nowhere/model.json')).rejects.toThrow('/nowhere/model.json does not exist');
  });
});
