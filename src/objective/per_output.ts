/**
 * Owns: what is named for several outputs: `mse` for all of them, `a=mse` for one; and lists and records of tfjs's compile written so.
 * Does not: know losses or metrics.
 */
import { UsageError } from '../common/errors.js';
import type { ObjectiveRequest } from './request.js';

/** `a=mse` is `{ output: 'a', name: 'mse' }`; without an output it is for all. */
export function partOf(text: string): { readonly output: string | null; readonly name: string } {
  const at = text.lastIndexOf('=');
  return at === -1 ? { output: null, name: text.trim() } : { output: text.slice(0, at).trim(), name: text.slice(at + 1).trim() };
}

/** Of a loss: `mse`, or `a=mse, b=mae`. */
export function partsOf(text: string): string[] {
  return text.includes('=') ? text.split(',').map((part) => part.trim()) : [text];
}

/** Names for each output, in their order. @throws UsageError OUTPUT_UNKNOWN */
function byOutput(given: readonly string[], outputs: readonly string[], what: string): string[][] {
  const parts = given.map(partOf);
  const stray = parts.find(({ output }) => output !== null && !outputs.includes(output));
  if (stray !== undefined)
    throw new UsageError({
      code: 'OUTPUT_UNKNOWN',
      message: `${what} ${stray.name} is for the output ${stray.output}, and the model's ${outputs.length === 1 ? 'output is' : 'outputs are'} ${outputs.join(', ')}`,
      next: 'Write NAME for all outputs, or OUTPUT=NAME for one.',
    });
  return outputs.map((wanted) => parts.filter(({ output }) => output === null || output === wanted).map(({ name }) => name));
}

/** Losses and metrics of each output, in their order. @throws UsageError OUTPUT_UNKNOWN */
export function requestsOf({ loss, metrics }: ObjectiveRequest, outputs: readonly string[]): ObjectiveRequest[] {
  const losses = loss === null ? null : byOutput(partsOf(loss), outputs, 'the loss');
  const asked = metrics === null ? null : byOutput(metrics, outputs, 'the metric');
  return outputs.map((_, output) => ({ loss: losses?.[output][0] ?? null, metrics: asked?.[output] ?? null }));
}

/** A run's loss, and for outputs that it does not name what the model was compiled with. */
export function lossBesides(asked: string | null, compiled: string | null): string | null {
  if (asked === null || compiled === null || !asked.includes('=')) return asked ?? compiled;
  const named = partsOf(asked);
  const others = partsOf(compiled).filter((part) => !named.some((other) => partOf(other).output === partOf(part).output));
  return [...named, ...others].join(', ');
}

/** The run's, else those of the model's file. */
export function lossWeightsOf(
  request: ObjectiveRequest,
  compiled: { readonly lossWeights?: readonly string[] } | null,
): readonly string[] {
  const { lossWeights = [] } = request;
  return lossWeights.length > 0 ? lossWeights : (compiled?.lossWeights ?? []);
}

/**
 * How much the loss of each output counts: `a=0.3` of one, 1 where nothing is said; numbers alone go by position, one alone is every output's.
 * @throws UsageError OUTPUT_UNKNOWN, LOSS_WEIGHT
 */
export function weightsByOutput(given: readonly string[], outputs: readonly string[]): number[] {
  const isByPosition = given.length === outputs.length && given.every((text) => partOf(text).output === null);
  const texts = isByPosition ? given.map((text) => [text]) : byOutput(given, outputs, 'the loss weight');
  return texts.map((own) => {
    if (own.length === 0) return 1;
    const weight = own.length === 1 && own[0] !== '' ? Number(own[0]) : NaN;
    if (Number.isFinite(weight)) return weight;
    throw new UsageError({
      code: 'LOSS_WEIGHT',
      message: `loss_weights has ${given.join(', ')}, and the model's ${outputs.length === 1 ? 'output is' : 'outputs are'} ${outputs.join(', ')}`,
      next: 'Write OUTPUT=NUMBER once for an output, such as --loss-weights a=0.3,b=1, or one number for each output in their order.',
    });
  });
}
