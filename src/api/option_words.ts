/**
 * Owns: saying to callers of the library, in their options, what messages say in flags of the command line.
 * Does not: word anything itself: the errors' own words are kept.
 */
import { environmentErrorOf } from '../common/environment_error.js';
import { ExpectedError } from '../common/errors.js';
import { toCamelCase } from '../common/snake_case.js';

/** Flags whose option is not their name in camel case. */
const RENAMED: Record<string, string> = { lr: 'learningRate' };
/** Of the command line alone. */
const NO_OPTION = new Set([
  'resume',
  'init-from',
  'numerics',
  'listen',
  'host',
  'join-timeout',
  'token-file',
  'config',
  'reporter',
]);
/** `200`, `0.5`, `FOLDER`, `none`, `./data.mjs`, `mean_squared_error`: what follows a flag as its value, and not as the sentence's next word. */
const VALUE = String.raw`(?:\d(?:[\w.,-]*\w)?|[A-Z]+\b|(?:\.{0,2}|[\w.-]+)/[^\s,;)]*(?:\.{3}|[^\s,;:.)])|none\b|all\b|idx\b|mnist\b|synthetic\b|[a-z\d]+_[a-z_\d]+)`;
const FLAG = new RegExp(String.raw`--([a-z][a-z-]*)(?:[ =](${VALUE}))?`, 'g');

/** `--loss a=mean_squared_error`, `--loss-weights a=0.3,b=1`, `--inputs user=COLUMN,item=COLUMN`: by names of the model's. */
const MAPPING = /--(loss|loss-weights|metrics|inputs|labels) ([^\s,;=]+=[\w.]+(?:,[^\s,;=]+=[\w.]+)*)/g;

/** Where `compile` says the loss, tfjs's own names count. */
const IN_COMPILE =
  "(the loss is that of model.compile(…): 'binaryCrossentropy' for yes and no, 'categoricalCrossentropy' or 'sparseCategoricalCrossentropy' for classes, " +
  "'meanSquaredError' for real values, or a function of tf.losses)";

export interface CallWords {
  /** Flags that are options of this call, though not of each. */
  readonly offered?: readonly string[];
  /** Loss and metrics are what the model is compiled with. */
  readonly compiled?: boolean;
}

/** `--batch 4 or more` → `batch: 4 or more`; `--gpus none` → `gpus: 'none'`; `--set optimizer.momentum=0.9` → `optimizer: { momentum: 0.9 }`. */
export function inOptions(text: string, { offered = [], compiled = false }: CallWords = {}): string {
  const said = inCalls(text, offered)
    .replace(MAPPING, (_, flag: string, parts: string) => `${toCamelCase(flag.replaceAll('-', '_'))}: { ${mappingOf(parts)} }`)
    .replace('a name once for each of its columns', 'a list where it has several')
    .replace(/--set ([a-z_]+)\.([a-z_.]+)=(\[[^\]]*\]|\S+?)(?=[\s,;)]|$)/g, (_, section: string, key: string, value: string) => {
      const inner = key
        .split('.')
        .reverse()
        .reduce((so, part) => `{ ${toCamelCase(part)}: ${so} }`, value);
      return `${section}: ${inner}`;
    })
    .replace(/--no-compile/g, 'compile: false')
    .replace(FLAG, (whole, flag: string, value: string | undefined) => {
      if (NO_OPTION.has(flag) && !offered.includes(flag)) return whole;
      const option = RENAMED[flag] ?? toCamelCase(flag.replaceAll('-', '_'));
      if (value === undefined) return option;
      return `${option}: ${/^\d+(\.\d+)?$/.test(value) || /^[A-Z]+$/.test(value) ? value : `'${value}'`}`;
    });
  const told = compiled && /--loss\b(?!-)/.test(text) ? `${said.replace(/\.$/, '')} ${IN_COMPILE}.` : said;
  return /--(resume|init-from|numerics)/.test(told) ? `${told} (on the command line)` : told;
}

/** `a=0.3,b=1` → `a: 0.3, b: 1`. */
function mappingOf(parts: string): string {
  const entries = parts.split(',').map((part) => {
    const [name, value] = [part.slice(0, part.lastIndexOf('=')), part.slice(part.lastIndexOf('=') + 1)];
    const isWord = /^(\d+(\.\d+)?|[A-Z]+)$/.test(value);
    return `${/^[A-Za-z_$][\w$]*$/.test(name) ? name : `'${name}'`}: ${isWord ? value : `'${value}'`}`;
  });
  return entries.join(', ');
}

/** `tfjs-parallel train --resume runs/a` → `train({ resume: 'runs/a' })`, where that is an option. */
function inCalls(text: string, offered: readonly string[]): string {
  if (!offered.includes('init-from')) return text;
  return text.replace(/tfjs-parallel train --resume ([^\s:;,]+)/g, (_, run: string) => `train({ resume: '${run}' })`);
}

/** The error as the library's callers meet it: of the same class and code; other values as they are. */
export function errorInOptions(error: unknown, words: CallWords = {}): unknown {
  const expected = error instanceof ExpectedError ? error : environmentErrorOf(error);
  return expected?.reworded((text) => inOptions(text, words)) ?? error;
}
