/**
 * Owns: losses, metrics and loss weights of several outputs, and columns of several inputs, as people write them (`{ a: 'mse', b: 'mae' }`, `[1, 0.3]`), as the
 * texts that a configuration holds: `a=mse, b=mae`, `0.3`. What is of no such form comes back as it is, for the schema to refuse.
 */

type Rows = Readonly<Record<string, unknown>>;

/** `{ a: 'mse' }` is `a=mse`. */
export function lossText(value: unknown): unknown {
  if (!isRecord(value) || !Object.values(value).every((name) => typeof name === 'string')) return value;
  const parts = Object.entries(value).map(([output, name]) => `${output}=${name as string}`);
  return parts.join(', ');
}

/** `{ a: 'acc', b: ['mse', 'mae'] }` is `a=acc`, `b=mse`, `b=mae`. */
export function nameTexts(value: unknown): unknown {
  if (typeof value === 'string') return value.split(',').map((name) => name.trim());
  if (!isRecord(value)) return value;
  const parts = Object.entries(value).map(([output, names]) => ({ output, names: [names].flat() as unknown[] }));
  // A list would be told by its place, which nobody wrote.
  if (!parts.every(({ names }) => names.every((name) => typeof name === 'string'))) return value;
  return parts.flatMap(({ output, names }) => names.map((name) => `${output}=${name as string}`));
}

/** `{ a: 0.3 }` is `a=0.3`; a number by itself goes by its place. */
export function weightTexts(value: unknown): unknown {
  if (typeof value === 'number') return [String(value)];
  if (typeof value === 'string') return value.split(',').map((part) => part.trim());
  if (Array.isArray(value)) return value.map((part: unknown) => (typeof part === 'number' ? String(part) : part));
  return isRecord(value) ? Object.entries(value).map(([output, weight]) => `${output}=${String(weight)}`) : value;
}

export function isWeightText(text: string): boolean {
  const number = text.slice(text.lastIndexOf('=') + 1).trim();
  return number !== '' && Number.isFinite(Number(number)) && !text.startsWith('=');
}

/** Options of a library call, whose other keys are renamed, and names of the model's are not. */
export function withTexts<Options extends Rows>(options: Options): Options {
  const texts = Object.entries(OF_OUTPUTS).flatMap(([key, text]) =>
    options[key] === undefined ? [] : [[key, text(options[key])]],
  );
  return { ...options, ...(Object.fromEntries(texts) as Rows) };
}

const OF_OUTPUTS = {
  ...{ loss: lossText, metrics: nameTexts, lossWeights: weightTexts },
  ...{ inputs: nameTexts, labels: nameTexts },
} as const;

function isRecord(value: unknown): value is Rows {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
