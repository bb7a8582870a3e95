/**
 * Owns: which saved weight belongs to which weight of a model, by their names alone.
 * Does not: read files, or look at values. A place is never given because a shape happens to fit.
 *
 * tfjs calls a weight `layer/kernel`; Keras adds the model's names before it (`net/base/layer/kernel`), an inner layer's
 * (`each/dense/kernel`) or a cell's (`lstm/lstm_cell/kernel`), and calls a depthwise kernel `kernel` from version 3 on.
 */

export interface NamedWeight {
  readonly name: string;
  readonly shape: readonly number[];
}

export type WeightMatch =
  | { readonly kind: 'matched'; /** For each wanted weight its place among the found. */ readonly places: readonly number[] }
  /** A sentence that lists both sides. */
  | { readonly kind: 'unmatched'; readonly difference: string };

/** Pairs every wanted weight with exactly one found weight, and every found one with a wanted one, or says what is left on both sides. */
export function matchWeights(wanted: readonly NamedWeight[], found: readonly NamedWeight[]): WeightMatch {
  const places: (number | null)[] = wanted.map(() => null);
  const free = new Set(found.keys());
  const outer = { wanted: outermost(wanted), found: outermost(found) };
  // Of one side only: without both, the cells of any two layers would have the same names.
  const withoutModel = (a: string, b: string): boolean =>
    sameTokens(a, without(b, outer.found)) || sameTokens(without(a, outer.wanted), b);
  for (const agree of [(a: string, b: string) => a === b, sameTokens, withoutModel, sameOwner])
    pairUp({ wanted, found, places, free, agree });
  const lost = wanted.filter((_, at) => places[at] === null);
  if (lost.length > 0 || free.size > 0) {
    const left = [...free].map((at) => found[at]);
    return {
      kind: 'unmatched',
      difference: `the model's ${listed(lost)} without a saved weight, the file's ${listed(left)} without a place`,
    };
  }
  const sure = places as number[];
  const other = wanted.findIndex(({ shape }, at) => String(shape) !== String(found[sure[at]].shape));
  if (other === -1) return { kind: 'matched', places: sure };
  const saved = found[sure[other]];
  return {
    kind: 'unmatched',
    difference: `the model's ${shown(wanted[other])} has another shape than the file's ${shown(saved)}`,
  };
}

interface Pairing {
  readonly wanted: readonly NamedWeight[];
  readonly found: readonly NamedWeight[];
  readonly places: (number | null)[];
  readonly free: Set<number>;
  readonly agree: (wanted: string, found: string) => boolean;
}

/** Only pairs in which each is the other's one candidate: what could go to two places goes to none. */
function pairUp({ wanted, found, places, free, agree }: Pairing): void {
  const open = [...wanted.keys()].filter((at) => places[at] === null);
  const candidates = new Map(open.map((at) => [at, [...free].filter((to) => agree(wanted[at].name, found[to].name))]));
  const claims = new Map<number, number>();
  for (const list of candidates.values()) for (const to of list) claims.set(to, (claims.get(to) ?? 0) + 1);
  for (const [at, list] of candidates) {
    if (list.length !== 1 || claims.get(list[0]) !== 1) continue;
    places[at] = list[0];
    free.delete(list[0]);
  }
}

/** What Keras calls a recurrent layer's cell where nobody named it. */
const CELL = /^(lstm|gru|simple_rnn|conv_lstm2d)_cell(_\d+)?$/;

interface Tokens {
  readonly owner: readonly string[];
  readonly leaf: string;
}

function tokensOf(name: string): Tokens {
  const tokens = name.replace(/:0$/, '').split('/');
  const leaf = tokens.pop() ?? '';
  return { owner: tokens.filter((token) => !CELL.test(token)), leaf: leaf === 'depthwise_kernel' ? 'kernel' : leaf };
}

function sameTokens(wanted: string, found: string): boolean {
  const [a, b] = [tokensOf(wanted), tokensOf(found)];
  return a.leaf === b.leaf && a.owner.join('/') === b.owner.join('/');
}

/**
 * The name that stands before those of all layers: the model's own, which may be a layer's too (`dense/dense/kernel` beside `dense/dense_1/kernel`). Null
 * where there is none: a layer's own name is never taken for it.
 */
function outermost(weights: readonly NamedWeight[]): string | null {
  const owners = weights.map(({ name }) => tokensOf(name).owner);
  const [first] = owners[0] ?? [];
  return first !== undefined && owners.every((owner) => owner.length > 1 && owner[0] === first) ? first : null;
}

function without(name: string, outer: string | null): string {
  return outer === null ? name : name.slice(outer.length + 1);
}

/** The names of one are among those of the other, in order, and the innermost that both have is there: models and inner layers may be left out. */
function sameOwner(wanted: string, found: string): boolean {
  const [a, b] = [tokensOf(wanted), tokensOf(found)];
  if (a.leaf !== b.leaf || a.owner.length === 0 || b.owner.length === 0) return false;
  return isWithin(a.owner, b.owner) || isWithin(b.owner, a.owner);
}

function isWithin(few: readonly string[], many: readonly string[]): boolean {
  let at = 0;
  for (const token of many) if (token === few[at]) at += 1;
  return at === few.length;
}

const SHOWN = 6;

function listed(weights: readonly NamedWeight[]): string {
  if (weights.length === 0) return 'nothing';
  const more = weights.length - SHOWN;
  return weights.slice(0, SHOWN).map(shown).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

function shown({ name, shape }: NamedWeight): string {
  return `${name} [${shape.join(', ')}]`;
}
