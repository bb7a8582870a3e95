/**
 * Owns: what is named for several outputs: `mse` for all of them, `a=mse` for one; and lists and records of tfjs's compile written so.
 * Does not: know losses or metrics.
 */
import { UsageError } from '../common/errors.js';

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
export function byOutput(given: readonly string[], outputs: readonly string[], what: string): string[][] {
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

/** `a=0.3`: how much the loss of each output counts; 1 where nothing is said. @throws UsageError OUTPUT_UNKNOWN, LOSS_WEIGHT */
export function weightsByOutput(given: readonly string[], outputs: readonly string[]): number[] {
  return byOutput(given, outputs, 'the loss weight').map((texts) => {
    if (texts.length === 0) return 1;
    const weight = texts.length === 1 && texts[0] !== '' ? Number(texts[0]) : NaN;
    if (Number.isFinite(weight)) return weight;
    throw new UsageError({
      code: 'LOSS_WEIGHT',
      message: `loss_weights has ${given.join(', ')}`,
      next: 'Write OUTPUT=NUMBER once for an output, such as --loss-weights a=0.3,b=1.',
    });
  });
}
