/**
 * Owns: the model applied to rows that nobody judges, as one graph function: no dropout, moving statistics.
 * Does not: cut rows into batches (api/fit/predict.ts does).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { intoFloat32, scaledFloat, upload, type Engine } from '../../engine/index.js';
import { orModelFails } from './model_fails.js';
import type { PredictTask, ReplicaSpec } from './replica_spec.js';
import { requireTokens, tokenLimitsOf } from './token_check.js';

/** One tensor for each output, disposed by the caller. */
export type PredictStep = (batch: PredictTask) => tfjs.Tensor[];

interface Parts {
  readonly engine: Engine;
  readonly model: tfjs.LayersModel;
  readonly spec: Pick<ReplicaSpec, 'compile'>;
}

/** @throws DataError TOKEN_OUT_OF_RANGE, UsageError MODEL_FAILS */
export function createPredictStep({ engine, model, spec }: Parts): PredictStep {
  const { tf } = engine;
  const limits = tokenLimitsOf(model);
  const apply = (inputs: tfjs.Tensor[]): tfjs.Tensor[] =>
    tf.tidy(() => {
      const x = inputs.map((input) => scaledFloat(input, 1));
      const outputs = model.apply(x.length === 1 ? x[0] : x, { training: false }) as tfjs.Tensor | tfjs.Tensor[];
      return [outputs].flat().map(intoFloat32);
    });
  const step = spec.compile ? engine.compile(apply, { name: 'predict_step' }) : apply;
  return ({ first, rows, inputs }) => {
    const numbers = Int32Array.from({ length: rows }, (_, row) => first + row);
    limits.forEach((limit, at) => {
      if (limit !== null) requireTokens(limit, { values: inputs[at].values, rows: numbers, scale: 1, dataset: 'x' });
    });
    const x = inputs.map(({ shape, values }) => upload(engine, values, [rows, ...shape]));
    try {
      const next = 'Mend the model; model.predict(x) on one batch shows the same outside of tfjs-parallel.';
      return orModelFails(() => step(x), { during: 'prediction', next });
    } finally {
      tf.dispose(x);
    }
  };
}
