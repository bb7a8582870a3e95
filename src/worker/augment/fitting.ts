/**
 * Owns: whether the list of augmentations fits this model and these data, and which input or labels each is of; what does not fit is refused by name.
 * Does not: read the list's words (common/augmentation.ts) or compute (augment.ts).
 */
import { readAugmentation, type Augmentation } from '../../common/augmentation.js';
import type { Field } from '../../common/dataset.js';
import { UsageError } from '../../common/errors.js';
import type { TargetFacts } from '../../objective/create_objective.js';
import type { Binding, Bound } from '../replica/bind_fields.js';

export interface FittedStep {
  readonly augmentation: Augmentation;
  /** Of a picture's: its input. */
  readonly input: Field | null;
  /** Of label smoothing's: places of the targets. */
  readonly targets: readonly number[];
}

export interface Fitted {
  readonly steps: readonly FittedStep[];
  /** By target: indices of classes become rows of shares in training. */
  readonly softens: readonly boolean[];
}

export interface FittingFacts {
  readonly list: readonly string[];
  readonly binding: Binding;
  /** By target. */
  readonly targets: readonly TargetFacts[];
  /** By target: whether positions may be masked, and whether examples count by weights. */
  readonly masked: readonly boolean[];
  readonly weighted: readonly boolean[];
  /** By input: whether it goes into an embedding. */
  readonly tokens: readonly boolean[];
}

const OWN_FUNCTION = "write augment(tf, { inputs, targets }, random) in the model's module";

/** @throws UsageError AUGMENT_INPUT or AUGMENT_LABELS */
export function fitAugmentation(facts: FittingFacts): Fitted {
  const steps = facts.list.map(readAugmentation).map((augmentation): FittedStep => {
    const step = { augmentation, input: null, targets: [] };
    if (augmentation.name === 'label_smoothing') return { ...step, targets: smoothedBy(augmentation, facts) };
    if (augmentation.name !== 'mixup') return { ...step, input: pictureOf(augmentation, facts) };
    requireMixable(facts);
    return step;
  });
  const mixes = steps.some(({ augmentation: { name } }) => name === 'mixup');
  const smoothed = new Set(steps.flatMap(({ targets }) => targets));
  return { steps, softens: facts.targets.map(({ indices }, at) => indices && (mixes || smoothed.has(at))) };
}

function pictureOf(augmentation: Augmentation, { binding, targets }: FittingFacts): Field {
  const { name, amount } = augmentation;
  const { field } = theOne(augmentation, binding.inputs, 'input');
  const { shape } = field;
  if (shape.length !== 3)
    throw unfit(
      'AUGMENT_INPUT',
      `${name} wants pictures, [height, width, channels], and examples of ${field.name} are [${shape.join(', ')}]`,
      `Give the data the shape of pictures, or ${OWN_FUNCTION}.`,
    );
  const [height, width] = shape;
  if ((name === 'shift' || name === 'cutout') && amount >= Math.min(height, width))
    throw unfit(
      'AUGMENT_INPUT',
      `${name} by ${amount} pixels leaves nothing of pictures of ${height} × ${width}`,
      `Give fewer than ${Math.min(height, width)}.`,
    );
  const places = binding.targets.findIndex(({ field: { shape: of } }) => of.length > 2 || (of[0] === height && of[1] === width));
  if (places !== -1 && MOVES.has(name))
    throw unfit(
      'AUGMENT_LABELS',
      `${name} moves the picture and not its labels, which are [${binding.targets[places].field.shape.join(', ')}] (${targets[places].loss})`,
      `To move both alike, ${OWN_FUNCTION}.`,
    );
  return field;
}

const MOVES = new Set<string>(['flip', 'shift', 'rotate', 'zoom']);

function smoothedBy(augmentation: Augmentation, { binding, targets }: FittingFacts): number[] {
  const at = binding.targets.indexOf(theOne(augmentation, binding.targets, 'output'));
  const { loss, labels } = targets[at];
  if (labels === 'shares' || labels === 'yes_no') return [at];
  throw unfit(
    'AUGMENT_LABELS',
    `label_smoothing wants labels that are classes, or yes and no, and ${loss} takes other ones`,
    'Leave it out, or choose softmax_cross_entropy, sigmoid_cross_entropy or another loss of classes.',
  );
}

function requireMixable({ binding, targets, masked, weighted, tokens }: FittingFacts): void {
  const refuse = (code: 'AUGMENT_INPUT' | 'AUGMENT_LABELS', why: string): UsageError =>
    unfit(code, `mixup adds parts of two examples, and ${why}`, `Leave mixup out, or ${OWN_FUNCTION}.`);
  const token = tokens.indexOf(true);
  if (token !== -1)
    throw refuse('AUGMENT_INPUT', `${binding.inputs[token].field.name} goes into an embedding: no token lies between two`);
  if (masked.includes(true)) throw refuse('AUGMENT_LABELS', 'positions of the output are masked, of each example its own');
  if (weighted.includes(true)) throw refuse('AUGMENT_LABELS', 'examples count by weights, of which a mixed one would have two');
  const at = targets.findIndex(({ mixes }) => !mixes);
  if (at !== -1)
    throw refuse('AUGMENT_LABELS', `${targets[at].loss} takes no labels between ${binding.targets[at].field.name}'s`);
}

/** The input or output that is named, or the only one. */
function theOne({ name, on }: Augmentation, all: readonly Bound[], what: 'input' | 'output'): Bound {
  const names = all.map((bound) => bound.field.name).join(', ');
  const found = on === null ? all : all.filter((bound) => bound.field.name === on || bound.name === on);
  if (found.length === 1) return found[0];
  throw unfit(
    what === 'input' ? 'AUGMENT_INPUT' : 'AUGMENT_LABELS',
    on === null
      ? `${name} does not say which of several ${what}s: ${names}`
      : `${name} is on ${on}, and the ${what}s are ${names}`,
    `Name one: ${name} … on ${all[0].field.name}.`,
  );
}

function unfit(code: 'AUGMENT_INPUT' | 'AUGMENT_LABELS', message: string, next: string): UsageError {
  return new UsageError({ code, message, next });
}
