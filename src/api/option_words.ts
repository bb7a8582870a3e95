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
const VALUE = String.raw`(?:\d(?:[\w.,-]*\w)?|[A-Z]+\b|(?:\.{0,2}|[\w.-]+)/[^\s,;)]+|none\b|all\b|idx\b|mnist\b|synthetic\b|[a-z\d]+_[a-z_\d]+)`;
const FLAG = new RegExp(String.raw`--([a-z][a-z-]*)(?:[ =](${VALUE}))?`, 'g');

/** `--batch 4 or more` → `batch: 4 or more`; `--gpus none` → `gpus: 'none'`; `--set optimizer.momentum=0.9` → `optimizer: { momentum: 0.9 }`. */
export function inOptions(text: string, offered: readonly string[] = []): string {
  const said = inCalls(text, offered)
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
  return /--(resume|init-from|numerics)/.test(said) ? `${said} (on the command line)` : said;
}

/** `tfjs-parallel train --resume runs/a` → `train({ resume: 'runs/a' })`, where that is an option. */
function inCalls(text: string, offered: readonly string[]): string {
  if (!offered.includes('init-from')) return text;
  return text.replace(/tfjs-parallel train --resume ([^\s:;,]+)/g, (_, run: string) => `train({ resume: '${run}' })`);
}

/**
 * The error as the library's callers meet it: of the same class and code; other values as they are. `offered`: flags that are options of this call,
 * though not of each.
 */
export function errorInOptions(error: unknown, offered: readonly string[] = []): unknown {
  const expected = error instanceof ExpectedError ? error : environmentErrorOf(error);
  return expected?.reworded((text) => inOptions(text, offered)) ?? error;
}
