/**
 * Owns: that what goes straight into an embedding is within its rows, checked where the example's place in the data is still known.
 * Does not: judge what layers compute before an embedding: TensorFlow does, on a CPU (a GPU reads zeros there).
 */
import type * as tfjs from '@tensorflow/tfjs';
import type { NumericArray } from '../../common/dataset.js';
import { DataError } from '../../common/errors.js';

interface EmbeddingParts {
  readonly inputDim?: number;
}

interface TensorParts {
  readonly sourceLayer: tfjs.layers.Layer;
}

export interface TokenLimit {
  readonly layer: string;
  /** Rows of the embedding: tokens are 0 … rows − 1. */
  readonly rows: number;
}

/** By input: the smallest embedding that it feeds without a layer between; null where there is none. */
export function tokenLimitsOf(model: tfjs.LayersModel): (TokenLimit | null)[] {
  return model.inputs.map((input) => tokenLimitOf(model, input));
}

function tokenLimitOf(model: tfjs.LayersModel, input: tfjs.SymbolicTensor): TokenLimit | null {
  const limits = fedBy(model, input).flatMap((layer): TokenLimit[] => {
    // Which of several inputs of an inner model it is, is not followed: its embeddings are TensorFlow's to judge.
    const inner = layer as unknown as tfjs.LayersModel;
    if (Array.isArray((layer as unknown as { layers?: unknown }).layers))
      return inner.inputs.length === 1 ? tokenLimitsOf(inner).flatMap((limit) => (limit === null ? [] : [limit])) : [];
    const { inputDim } = layer as EmbeddingParts;
    return layer.getClassName() === 'Embedding' && inputDim !== undefined ? [{ layer: layer.name, rows: inputDim }] : [];
  });
  return limits.reduce<TokenLimit | null>((least, limit) => (least === null || limit.rows < least.rows ? limit : least), null);
}

function fedBy(model: tfjs.LayersModel, input: tfjs.SymbolicTensor): tfjs.layers.Layer[] {
  const source = (input as unknown as TensorParts).sourceLayer;
  // A layer may have been called in other models too: by the calls, not by its one `input`.
  return model.layers.filter(({ inboundNodes }) => inboundNodes.some(({ inboundLayers }) => inboundLayers.includes(source)));
}

/** @throws DataError TOKEN_OUT_OF_RANGE naming the example, as its number in the data */
export function requireTokens(
  limit: TokenLimit,
  given: { values: NumericArray; rows: Int32Array; scale: number; dataset: string; split?: 'train' | 'validation' },
): void {
  const { values, rows, scale, dataset, split } = given;
  const perExample = values.length / rows.length;
  for (let at = 0; at < values.length; at++) {
    // tfjs cuts the fraction off; a NaN is no token either.
    const token = values[at] * scale;
    if (token > -1 && token < limit.rows) continue;
    const example = rows[Math.floor(at / perExample)];
    throw new DataError({
      code: 'TOKEN_OUT_OF_RANGE',
      message: `${split === undefined ? '' : `${split} `}example ${example} of ${dataset} has the token ${token} at position ${at % perExample}; embedding ${limit.layer} has rows for 0 … ${limit.rows - 1}`,
      next: `Give the embedding an inputDim above the largest token, or map unknown tokens to one that it has.`,
    });
  }
}
