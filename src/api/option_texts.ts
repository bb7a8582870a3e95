/**
 * Owns: options that a library call takes as mappings or lists of names (`inputs: { user: ['age', 'income'] }`): what is wrong in one is told by its place there;
 * what is right becomes the texts of a configuration.
 * Does not: know what the names mean.
 */
import { withTexts } from '../common/settings/by_output.js';
import { UsageError } from '../common/errors.js';
import { wrong } from './option_checks.js';

type Rows = Readonly<Record<string, unknown>>;

interface NameOption {
  /** Of one entry of a mapping. */
  readonly wanted: string;
  readonly isFit: (value: unknown) => boolean;
  readonly example: string;
}

const isText = (value: unknown): boolean => typeof value === 'string' && value.trim() !== '';
const isTextOrList = (value: unknown): boolean =>
  isText(value) || (Array.isArray(value) && value.length > 0 && value.every(isText));

const COLUMNS = { wanted: 'the name of a column or array, or a list of them', isFit: isTextOrList };
const NAME_OPTIONS: Readonly<Record<string, NameOption>> = {
  inputs: { ...COLUMNS, example: "inputs: { user: ['age', 'income'], item: 'price' }" },
  labels: { ...COLUMNS, example: "labels: { kind: 'species', size: ['length', 'width'] }" },
  loss: { wanted: 'the name of a loss', isFit: isText, example: "loss: { kind: 'softmax_cross_entropy', size: 'mse' }" },
  metrics: {
    wanted: 'the name of a metric, or a list of them',
    isFit: isTextOrList,
    example: "metrics: { kind: ['accuracy', 'recall'], size: 'mae' }",
  },
};

/** @throws UsageError OPTION_INVALID */
export function optionTexts<Options extends Rows>(options: Options): Options {
  for (const [option, kind] of Object.entries(NAME_OPTIONS)) requireNames(option, options[option], kind);
  return withTexts(options);
}

function requireNames(option: string, value: unknown, { wanted, isFit, example }: NameOption): void {
  const advise = (place: string, found: unknown, what: string): UsageError => {
    const { code, message } = wrong(place, what, found);
    return new UsageError({ code, message, next: `for example ${example}` });
  };
  if (Array.isArray(value)) {
    const at = value.findIndex((entry) => !isText(entry));
    if (at !== -1) throw advise(`${option}[${at}]`, value[at], 'a name');
  } else if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    if (entries.length === 0) throw advise(option, value, "a mapping by the model's names, or a list of names");
    const bad = entries.find(([, entry]) => !isFit(entry));
    if (bad !== undefined) throw advise(`${option}.${bad[0]}`, bad[1], wanted);
  }
}
