/** `predict(model, x, options)`: tfjs's model.predict on all devices, batch by batch. */
import type * as tfjs from '@tensorflow/tfjs';
import type { NumericArray } from '../../common/dataset.js';
import type { Predicted, PredictTask } from '../../worker/replica/replica_spec.js';
import { layersOf, loadTfjs, requireModel, sharedWeights } from '../caller_model.js';
import { errorInOptions } from '../option_words.js';
import { computingOf, type PredictOptions } from './compute_options.js';
import { inputRows } from './example_rows.js';
import { refuse, type FlatRows, type NamedRows } from './rows.js';
import { warmReplicasOf, type WarmReplicas } from './warm_replicas.js';
import { orClosed, whileFree } from './while_free.js';

/**
 * The model's outputs for rows as fit() takes them: a tensor, or of several outputs a list in the model's order, on tfjs's current backend. A batch is
 * computed by one replica, so the same bits come from any number of them. The model need not be compiled.
 * Errors: any ExpectedError of common/errors.ts, with `code` and `next`.
 */
export async function predict(
  model: tfjs.LayersModel,
  x: NamedRows,
  options: PredictOptions = {},
): Promise<tfjs.Tensor | tfjs.Tensor[]> {
  try {
    const tf = await loadTfjs();
    requireModel('predict()', model);
    const warm = warmReplicasOf(model);
    return await whileFree('predict()', model, warm, async () => {
      const computing = computingOf('predict()', model, options, warm);
      const rows = Object.values(await inputRows(model, x, 'x'));
      if (rows[0].count === 0) throw refuse('x has no rows');
      const { replicas, model: described } = await warm.open({ ...computing, source: layersOf(model), dataset: null });
      const parameters = sharedWeights(model, described);
      const version = (warm.version += 1);
      const batches = cut(rows, computing.rows).map((batch) => ({ ...batch, version, parameters }));
      const outputs = await orClosed(warm, () => computed(batches, replicas));
      const tensors = outputs[0].map((_, at) =>
        joined(
          tf,
          outputs.map((batch) => batch[at]),
        ),
      );
      return tensors.length === 1 ? tensors[0] : tensors;
    });
  } catch (error) {
    throw errorInOptions(error);
  }
}

type Replicas = Awaited<ReturnType<WarmReplicas['open']>>['replicas'];

/** Each replica takes the next batch that is left. By batch: one of each output. */
async function computed(batches: readonly PredictTask[], replicas: Replicas): Promise<(readonly Predicted[])[]> {
  const outputs: (readonly Predicted[])[] = [];
  let next = 0;
  let failed = false;
  const work = async (replica: Replicas[number]): Promise<void> => {
    while (next < batches.length && !failed) {
      const at = next++;
      outputs[at] = (await replica.predict(batches[at])).outputs;
    }
  };
  await Promise.all(
    replicas.map((replica) =>
      work(replica).catch((error: unknown) => {
        failed = true;
        throw error;
      }),
    ),
  );
  return outputs;
}

/** Copies of their own: a view would take its whole memory along into the thread. */
function cut(inputs: readonly FlatRows[], size: number): Pick<PredictTask, 'first' | 'rows' | 'inputs'>[] {
  const [{ count }] = inputs;
  return Array.from({ length: Math.ceil(count / size) }, (_, batch) => {
    const first = batch * size;
    const rows = Math.min(size, count - first);
    const part = ({ shape, values }: FlatRows): PredictTask['inputs'][number] => {
      const each = shape.reduce((a, b) => a * b, 1);
      return { shape, values: values.slice(first * each, (first + rows) * each) };
    };
    return { first, rows, inputs: inputs.map(part) };
  });
}

function joined(tf: typeof tfjs, parts: readonly Predicted[]): tfjs.Tensor {
  const [{ shape, dtype, values: first }] = parts;
  const length = parts.reduce((sum, { values }) => sum + values.length, 0);
  const Values = first.constructor as new (length: number) => NumericArray;
  const values = new Values(length);
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  const each = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(values, [each === 0 ? 0 : length / each, ...shape], dtype);
}
