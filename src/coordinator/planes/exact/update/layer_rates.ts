/** Factors of the learning rate by layer, as spans of the flat parameters: `optimizer.layer_rates: [conv2d_1=0.1]`. */
import { trainedWeights, type BucketLayout } from '../../../../common/bucket_layout.js';
import { UsageError } from '../../../../common/errors.js';
import { suggest } from '../../../../common/suggest.js';

/** Elements from `start` to `end` of the trained parameters. */
export interface RateSpan {
  readonly start: number;
  readonly end: number;
  readonly factor: number;
}

/** Covers all trained parameters; one span where no factor is given. @throws UsageError LAYER_RATE_INVALID */
export function rateSpans(layout: BucketLayout, layerRates: readonly string[]): RateSpan[] {
  const rates = weightRates(layout, layerRates);
  const spans: RateSpan[] = [];
  for (const [index, { offset, size }] of trainedWeights(layout).entries()) {
    const factor = rates[index];
    const last = spans.at(-1);
    if (last?.factor === factor) spans[spans.length - 1] = { ...last, end: offset + size };
    else spans.push({ start: offset, end: offset + size, factor });
  }
  return spans;
}

/** The factor of each trained weight. @throws UsageError LAYER_RATE_INVALID */
export function weightRates(layout: BucketLayout, layerRates: readonly string[]): number[] {
  const trained = trainedWeights(layout);
  const factors = new Map<string, number>();
  for (const text of layerRates) {
    const { layer, factor } = parse(text);
    const isOfLayer = (name: string): boolean => name === layer || name.startsWith(`${layer}/`);
    const names = trained.map(({ name }) => name).filter(isOfLayer);
    if (names.length === 0) throw unknownLayer(layer, trained);
    for (const name of names) {
      if (factors.has(name)) throw invalid(text, `${name} has a factor already`);
      factors.set(name, factor);
    }
  }
  return trained.map(({ name }) => factors.get(name) ?? 1);
}

function parse(text: string): { layer: string; factor: number } {
  const equals = text.lastIndexOf('=');
  const [layer, number] = [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
  const factor = Number(number);
  if (equals < 1 || number === '' || !Number.isFinite(factor) || factor < 0)
    throw invalid(text, 'wanted a layer, an equals sign and a number of at least 0');
  return { layer, factor };
}

function invalid(text: string, why: string): UsageError {
  return new UsageError({
    code: 'LAYER_RATE_INVALID',
    message: `optimizer.layer_rates has ${JSON.stringify(text)}: ${why}`,
    next: 'Write one entry for each layer, such as conv2d_1=0.1.',
  });
}

function unknownLayer(layer: string, trained: BucketLayout['slots']): UsageError {
  const layers = [...new Set(trained.map(({ name }) => name.slice(0, Math.max(0, name.lastIndexOf('/'))) || name))];
  const meant = suggest(layer, layers);
  const shown = layers.length > 12 ? [...layers.slice(0, 12), `and ${layers.length - 12} more`] : layers;
  return new UsageError({
    code: 'LAYER_RATE_INVALID',
    message: `optimizer.layer_rates names ${layer}, and no trained weight belongs to it${meant === null ? '' : `, did you mean ${meant}?`}`,
    next: `Name a layer that is trained: ${shown.join(', ')}.`,
  });
}
