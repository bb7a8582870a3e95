/**
 * Owns: the present model under the names that a state was saved with: tfjs counts layers without a name within a program, so that the same code makes
 * the same model under other names. No number depends on them; which labels, losses and metrics belong to which output does.
 * Does not: compare anything else (state_match.ts).
 */
import { createHash } from 'node:crypto';
import { countedName, layerNames, renamedPath, renamedTopology, type LayerNames } from '../../../common/counted_names.js';
import type { ModelDescription } from '../../../common/replica.js';
import type { RunState } from './state_schema.js';

export type NamedAsSaved =
  /** The present model, under the saved names where only these differ. */
  | { readonly kind: 'model'; readonly model: ModelDescription }
  /** The same layers, under names that may mean something. */
  | { readonly kind: 'refused'; readonly difference: string; readonly remedy: string };

export function namedAsSaved(saved: RunState['model'], present: ModelDescription): NamedAsSaved {
  if (topologySha256(present) === saved.topologySha256) return { kind: 'model', model: present };
  const names = layerNames(present.topology);
  // Older states know of no layers, and the model by the name of the run's.
  const { model = saved.name, layers: before = names.layers.map(({ name }) => name) } = saved.names ?? {};
  const alone = { ...present, topology: renamedTopology(present.topology, { model, layers: new Map() }) };
  const pairs = pairsOf(before, names);
  const changed = pairs?.filter(({ was, is }) => was !== is.name) ?? [];
  if (pairs === null || changed.length === 0) return { kind: 'model', model: alone };
  const layers = new Map(pairs.map(({ was, is }) => [is.name, was]));
  const { layout } = present;
  const renamed = {
    ...present,
    topology: renamedTopology(present.topology, { model, layers }),
    layout: { ...layout, slots: layout.slots.map((slot) => ({ ...slot, name: renamedPath(slot.name, layers) })) },
  };
  // Other layers: what else differs says more.
  if (topologySha256(renamed) !== saved.topologySha256) return { kind: 'model', model: alone };
  const reason = meaningIn(pairs, names);
  if (reason === null) return { kind: 'model', model: renamed };
  const { because, named } = reason;
  const told = named.slice(0, MOST_TOLD).map(({ was, is }) => `${was} there is called ${is.name} here`);
  const more = named.length > MOST_TOLD ? ` and ${named.length - MOST_TOLD} more` : '';
  const those = named.length === 1 ? 'that layer the name that it' : 'those layers the names that they';
  return {
    kind: 'refused',
    difference: `its layers are the same, and ${told.join(', ')}${more}: ${because}`,
    remedy: `give ${those} had (name: '${named[0].was}')`,
  };
}

const MOST_TOLD = 3;

interface Pair {
  readonly was: string;
  readonly is: LayerNames['layers'][number];
}

/** Null where they are not one to one. */
function pairsOf(before: readonly string[], { layers }: LayerNames): Pair[] | null {
  if (before.length !== layers.length) return null;
  const pairs = layers.map((is, at) => ({ was: before[at], is }));
  const to = new Map(pairs.map(({ was, is }) => [is.name, was]));
  const from = new Map(pairs.map(({ was, is }) => [was, is.name]));
  return pairs.every(({ was, is }) => to.get(is.name) === was && from.get(was) === is.name) ? pairs : null;
}

/** Names that may mean something, and why; null where all that differ are tfjs's, counted in one order. */
function meaningIn(
  pairs: readonly Pair[],
  { inputs, outputs }: LayerNames,
): { readonly because: string; readonly named: readonly Pair[] } | null {
  const changed = pairs.filter(({ was, is }) => was !== is.name);
  const given = changed.filter(({ was, is }) => {
    const [before, now] = [countedName({ name: was, className: is.className }), countedName(is)];
    return before === null || before.stem !== now?.stem;
  });
  if (given.length > 0) return { named: given, because: 'a name that was given is part of the model' };
  const among = (side: readonly string[]): Pair[] => (side.length < 2 ? [] : changed.filter(({ is }) => side.includes(is.name)));
  const [data, judged] = [among(inputs), among(outputs)];
  if (data.length > 0) return { named: data, because: 'a model of several inputs finds its data by these names' };
  if (judged.length > 0)
    return { named: judged, because: 'a model of several outputs finds labels, losses and metrics by these names' };
  const swapped = outOfOrder(pairs);
  if (swapped === null) return null;
  return { named: [swapped], because: 'tfjs numbers layers as they are made, and these were made in another order' };
}

/** The first that was counted before another of its class there, and after it here. */
function outOfOrder(pairs: readonly Pair[]): Pair | null {
  const counted = pairs.flatMap((pair) => {
    const [was, is] = [countedName({ name: pair.was, className: pair.is.className }), countedName(pair.is)];
    return was === null || is === null ? [] : [{ pair, stem: is.stem, was: was.count, is: is.count }];
  });
  const last = new Map<string, { was: number; is: number }>();
  for (const { pair, stem, ...count } of counted.sort((a, b) => a.was - b.was)) {
    const before = last.get(stem) ?? { was: 0, is: 0 };
    if (count.was !== before.was && count.is <= before.is) return pair;
    last.set(stem, count);
  }
  return null;
}

export function topologySha256({ topology }: Pick<ModelDescription, 'topology'>): string {
  return createHash('sha256').update(topology).digest('hex');
}

/** As a state keeps them. */
export function namesOf({ topology }: Pick<ModelDescription, 'topology'>): NonNullable<RunState['model']['names']> {
  const { model, layers } = layerNames(topology);
  return { model, layers: layers.map(({ name }) => name) };
}
