/**
 * Owns: finding out, when a replica is opened, that XLA will not compile its training step: a run is refused before it begins, with the layers that stand in the way.
 * Does not: know what XLA may compile (engine/lowering/xla.ts), or compile the step (train_step.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../../common/errors.js';
import { upload, XlaRefused, type Engine } from '../../engine/index.js';
import type { Judged } from './judged.js';
import { flattenLayers } from './model_layout.js';
import type { OpenedModel } from './opened_model.js';
import { positionOf } from './replica_state.js';
import type { Feed } from './train_step.js';

/** A step is recorded for them; of how many changes nothing. */
const EXAMPLES = 2;
/** Layers that are named. */
const MOST_TOLD = 5;

interface Tried extends Pick<OpenedModel, 'engine' | 'model' | 'dataset' | 'spec'> {
  readonly judged: Judged;
}

/** @throws UsageError XLA_REFUSED where `execution` is xla and the step is not for it */
export async function requireForXla(tried: Tried): Promise<void> {
  const { engine, model, dataset, spec, judged } = tried;
  if (spec.execution !== 'xla' || dataset.train.count === 0) return;
  const feed = await firstExamples(tried);
  const step = engine.compile((...given: Feed) => judged.train(...given), { name: 'train_step', verify: false, xla: 'required' });
  try {
    step.prepare(1, ...feed);
  } catch (error) {
    if (!(error instanceof XlaRefused)) throw error;
    const against = namesOf(layersAgainst(engine, model));
    throw new UsageError({
      code: 'XLA_REFUSED',
      message: `execution is xla, and the training step of ${spec.model.name} is not for XLA: ${error.reason}${against === '' ? '' : `; layers that it does not take: ${against}`}`,
      next: 'Begin with execution graph, or auto, which leaves such a step to it.',
      cause: error,
    });
  } finally {
    step.dispose();
    engine.tf.dispose(feed as unknown as tfjs.TensorContainer);
  }
}

async function firstExamples({ engine, dataset, judged }: Tried): Promise<Feed> {
  const rows = Int32Array.from({ length: Math.min(EXAMPLES, dataset.train.count) }, (_, row) => row);
  const shard = { step: 0, shard: 0, epoch: 1, firstExample: 0, regularizationWeight: 1, version: -1 };
  const batch = await judged.trainingBatch({ ...shard, rows, batchRows: rows, parameters: new Float32Array(0) });
  judged.takeWaitedMs();
  return [batch, upload(engine, positionOf(shard), [4]), engine.tf.scalar(shard.regularizationWeight)];
}

/** Those that are refused by themselves; none where a penalty, a gradient or the loss is what stands in the way. */
function layersAgainst(engine: Engine, model: tfjs.LayersModel): tfjs.layers.Layer[] {
  const { tf } = engine;
  return flattenLayers(model).filter((layer) => {
    const inputs = inputsOf(layer).map(({ shape, dtype }) =>
      tf.zeros(
        shape.map((extent) => extent ?? EXAMPLES),
        dtype,
      ),
    );
    const one = engine.compile((...given: tfjs.Tensor[]) => layer.call(given, {}), {
      name: 'layer',
      verify: false,
      xla: 'required',
    });
    try {
      one.prepare(1, ...inputs);
      return false;
    } catch (error) {
      return error instanceof XlaRefused;
    } finally {
      one.dispose();
      tf.dispose(inputs);
    }
  });
}

function namesOf(layers: readonly tfjs.layers.Layer[]): string {
  const told = layers.slice(0, MOST_TOLD).map((layer) => `${layer.name} (${layer.getClassName()})`);
  return [...told, ...(layers.length > MOST_TOLD ? [`${layers.length - MOST_TOLD} more`] : [])].join(', ');
}

/** Of a layer that the model applies itself, not one inside of another. */
function inputsOf(layer: tfjs.layers.Layer): readonly tfjs.SymbolicTensor[] {
  const { inboundNodes } = layer as unknown as { inboundNodes: readonly { inputTensors: readonly tfjs.SymbolicTensor[] }[] };
  return inboundNodes.at(0)?.inputTensors ?? [];
}
