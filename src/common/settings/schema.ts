/**
 * Owns: the schemas of settings, made from the table. Each message finishes the sentence "<key> must be …".
 * Does not: say where a wrong value stands (src/cli/config_layers.ts), or compare settings with each other (src/common/config_checks.ts).
 */
import { z } from 'zod';
import { augmentationList } from '../augmentation.js';
import { toSnakeCase } from '../snake_case.js';
import { isWeightText, lossText, nameTexts, weightTexts } from './by_output.js';
import type { Items, Kind, Setting } from './setting.js';
import { isOfWorkers, isSection, SETTINGS, type ConfigLayer, type TrainConfig, type WorkerSetting } from './table.js';

/** A number JavaScript counts exactly up to, far beyond any run. */
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

type Bounds = Omit<Extract<Kind, { kind: 'real' }>, 'kind'>;

function whole({ atLeast, atMost = MAX_COUNT }: { atLeast: number; atMost?: number }): z.ZodType {
  const error = `a whole number of at least ${atLeast}${atMost === MAX_COUNT ? '' : ` and at most ${atMost}`}`;
  return z.int({ error }).min(atLeast, { error }).max(atMost, { error });
}

function real({ atLeast, above, atMost, below }: Bounds): z.ZodType {
  const bounds = [
    atLeast === undefined ? null : `at least ${atLeast}`,
    above === undefined ? null : `above ${above}`,
    atMost === undefined ? null : `at most ${atMost}`,
    below === undefined ? null : `below ${below}`,
  ].filter((bound) => bound !== null);
  const within = (value: number) =>
    (atLeast === undefined || value >= atLeast) &&
    (above === undefined || value > above) &&
    (atMost === undefined || value <= atMost) &&
    (below === undefined || value < below);
  const error = bounds.length === 0 ? 'a number' : `a number, ${bounds.join(' and ')}`;
  return z.number({ error }).refine(within, { error });
}

const text = (error: string) => z.string({ error }).min(1, { error });

/** YAML reads `gpus: 0` as a number and people write `gpus: [0, 1]`: both mean what `--gpus` means. */
function devices(wanted: string): z.ZodType {
  const joined = (value: unknown) => (typeof value === 'number' || Array.isArray(value) ? [value].flat().join(',') : value);
  return z.preprocess(joined, text(wanted));
}

/** People write `metrics: accuracy`, `--metrics accuracy,auc` and `metrics: { kind: accuracy }`, and so `inputs: { user: [age, income] }`. */
function names({ wanted, known, mayBeEmpty = false }: Extract<Kind, { kind: 'names' }>): z.ZodType {
  const fits = (list: string[]) =>
    new Set(list).size === list.length && list.every((name) => name !== '' && (known === null || known.includes(name)));
  const list = z
    .array(z.string({ error: wanted }), { error: wanted })
    .min(mayBeEmpty ? 0 : 1, { error: wanted })
    .max(known === null ? 1_000 : 32, { error: wanted });
  return z.preprocess(nameTexts, list.refine(fits, { error: `${wanted}, each once` }));
}

function weights(error: string): z.ZodType {
  const list = z.array(z.string({ error }), { error }).max(1_000, { error });
  return z.preprocess(
    weightTexts,
    list.refine((texts) => texts.every(isWeightText), { error }),
  );
}

const augmentations: z.ZodType = z.any().transform((given, context) => {
  try {
    return augmentationList(given);
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message });
    return z.NEVER;
  }
});

function schemaOfKind(kind: Kind): z.ZodType {
  switch (kind.kind) {
    case 'whole':
      return whole(kind);
    case 'real':
      return real(kind);
    case 'fraction': {
      const error = 'a fraction from 0 to 1 (99.3 % is 0.993)';
      return z.number({ error }).min(0, { error }).max(1, { error });
    }
    case 'flag':
      return z.boolean({ error: 'true or false' });
    case 'choice':
      return z.enum(kind.names, { error: `one of ${kind.names.join(', ')}` });
    case 'text':
      return kind.pattern === undefined ? text(kind.wanted) : text(kind.wanted).regex(kind.pattern, { error: kind.wanted });
    case 'loss':
      return z.preprocess(lossText, text(kind.wanted));
    case 'devices':
      return devices(kind.wanted);
    case 'wholes':
      return z.array(whole(kind), { error: kind.wanted });
    case 'names':
      return names(kind);
    case 'weights':
      return weights(kind.wanted);
    case 'augmentations':
      return augmentations;
  }
}

function schemaOf({ kind, default: unset }: Setting): z.ZodType {
  return unset === null ? schemaOfKind(kind).nullable() : schemaOfKind(kind);
}

function layerSchema(items: Items, error: string): z.ZodType<ConfigLayer> {
  const shape = Object.entries(items).map(([name, item]) => [
    toSnakeCase(name),
    isSection(item) ? layerSchema(item.items, item.wanted) : schemaOf(item),
  ]);
  return z.strictObject(Object.fromEntries(shape) as Record<string, z.ZodType>, { error }).partial();
}

/** What one layer (a file, the environment, the flags) may hold: any part of a configuration. */
export const configLayerSchema: z.ZodType<ConfigLayer> = layerSchema(SETTINGS, 'a mapping of keys to values');

/** For the job on the wire. */
export function workerSettingSchemas(): { [Name in WorkerSetting]: z.ZodType<TrainConfig[Name]> };
export function workerSettingSchemas(): Record<string, z.ZodType> {
  const rows = Object.entries<Items[string]>(SETTINGS).flatMap(([name, item]) =>
    isOfWorkers(name) && !isSection(item) ? [[name, schemaOf(item)] as const] : [],
  );
  return Object.fromEntries(rows);
}
