/** Owns: what is computed in another way, or elsewhere, on a GPU: the other ways tried on this processor, the names of ops known to TensorFlow. */
import * as tf from '@tensorflow/tfjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { opsLeftToProcessor } from '../../../src/engine/backend/gpu_ops.js';
import { graphApi, inputArguments } from '../../../src/engine/capi/graph_api.js';
import { download, squareRoot, upload } from '../../../src/engine/index.js';
import { differences, DRAWS, draw } from '../../support/float_draws.js';
import { engineForTests, gradients, irregular, values } from '../../support/gradient_checks.js';

const engine = engineForTests({ device: 'CPU:0' });
afterEach(() => {
  vi.restoreAllMocks();
});
const asOnGpu = (): unknown => vi.spyOn(engine().binding, 'isUsingGpuDevice').mockReturnValue(true);

it('ops that are left to the processor are some that TensorFlow has', () => {
  const { api, status } = engine().context;
  const graph = graphApi(api).TF_NewGraph();
  const named = opsLeftToProcessor({ deterministicGpu: true });
  expect(named.size).toBeGreaterThan(opsLeftToProcessor({}).size);
  for (const op of named) expect(inputArguments(api, graph, op, status).length, op).toBeGreaterThan(0);
  graphApi(api).TF_DeleteGraph(graph);
});

it('square roots by way of float64 are those of the host', () => {
  for (const [name, value] of Object.entries(DRAWS)) {
    const drawn = draw(value, 2 ** 16);
    const spy = asOnGpu();
    const [x, found] = [upload(engine(), drawn, [drawn.length]), new Float32Array(drawn.length)];
    const root = squareRoot(x);
    download(engine(), root, found);
    const flushed = (of: number): number => (Math.abs(of) < 2 ** -126 ? of * 0 : of);
    expect(spy).toHaveBeenCalled();
    expect(
      differences(
        found,
        Float32Array.from(drawn, (of) => Math.sqrt(flushed(of))),
      ),
      name,
    ).toBe(0);
    tf.dispose([x, root]);
  }
});

describe('the gradient of an enlargement by nearest neighbors', () => {
  const [height, width] = [3, 4];
  const enlarged = (size: [number, number], alignCorners: boolean) => (x: tf.Tensor) => {
    const y = tf.image.resizeNearestNeighbor(x as tf.Tensor4D, size, alignCorners);
    return tf.sum(tf.mul(y, irregular(y.shape)));
  };

  it.each([
    { size: [6, 8], alignCorners: false, way: 'as sums of blocks' },
    { size: [9, 4], alignCorners: false, way: 'as sums of blocks' },
    { size: [5, 8], alignCorners: false, way: "by TensorFlow's op" },
    { size: [6, 8], alignCorners: true, way: "by TensorFlow's op" },
  ])('is the same on a GPU: to $size, corners aligned $alignCorners, $way', ({ size, alignCorners, way }) => {
    const f = enlarged(size as [number, number], alignCorners);
    const x = irregular([2, height, width, 3]);
    const wanted = values(tf.grad(f)(x));
    asOnGpu();
    const ops: string[] = [];
    const { binding } = engine();
    const execute = binding.executeOp.bind(binding);
    vi.spyOn(binding, 'executeOp').mockImplementation((op, ...rest) => {
      ops.push(op);
      return execute(op, ...rest);
    });
    for (const got of gradients(engine(), f, x))
      got.forEach((value, at) => expect(Math.abs(value - wanted[at])).toBeLessThan(9 * 2 ** -23));
    expect(ops.includes('ResizeNearestNeighborGrad')).toBe(way !== 'as sums of blocks');
  });
});
