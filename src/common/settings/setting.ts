/**
 * Owns: the form of a setting: one row of the table in table.ts, from which come its type, schema, flag, --help, docs/settings.md, library option, place
 * in a worker's job, and what a resume does with it.
 *
 * To add a setting, write ONE row in training_settings.ts, place_settings.ts or optimizer_settings.ts, where it belongs in a configuration file:
 *
 *   warmUpSteps: setting(whole({ atLeast: 0 }), 0, {
 *     flag: '--warm-up-steps <n>', commands: RUNS,         // null and [] where it has no flag: --set warm_up_steps=3 always works
 *     group: 'training',
 *     help: 'steps before the clock counts',               // one line of --help and of docs/settings.md
 *     resume: 'fixed' | 'kept' | 'call',                   // see Resume below
 *     workers: false, library: true,
 *     aliases: ['burn_in'],                                // what other tools call it, in snake_case
 *   }),
 *
 * then `npm run build && node scripts/settings_page.mjs` (writes docs/settings.md), a line in config/mnist.yaml, and its kind in
 * test/cli/resume_line.test.ts. The compiler names what is missing. `config.warmUpSteps` is then typed. A default of null makes it nullable. A value
 * of a new form is a new kind here and its schema in schema.ts. Settings of ONE optimizer are not rows: they come from src/optimizers.
 */

/** `wanted` finishes the sentence "<key> must be …". */
export type Kind =
  | { readonly kind: 'whole'; readonly atLeast: number; readonly atMost?: number }
  | {
      readonly kind: 'real';
      readonly atLeast?: number;
      readonly above?: number;
      readonly atMost?: number;
      readonly below?: number;
    }
  | { readonly kind: 'fraction' }
  | { readonly kind: 'flag' }
  | { readonly kind: 'choice'; readonly names: readonly [string, ...string[]] }
  | { readonly kind: 'text'; readonly wanted: string; readonly pattern?: RegExp }
  /** Indices of devices: text, or in a file numbers and lists of them. */
  | { readonly kind: 'devices'; readonly wanted: string }
  | { readonly kind: 'wholes'; readonly wanted: string; readonly atLeast: number }
  /** A list of names: in a file also one, on the command line joined by commas. */
  | {
      readonly kind: 'names';
      readonly wanted: string;
      readonly known: readonly string[] | null;
      /** A list without entries means none, as the default does. */
      readonly mayBeEmpty?: boolean;
    }
  /** A name, or one for each output (by_output.ts): `a=mse, b=mae`, in a file also a mapping. */
  | { readonly kind: 'loss'; readonly wanted: string }
  /** Numbers of outputs (by_output.ts): `[a=0.3, b=1]`, by position, or in a file a mapping. */
  | { readonly kind: 'weights'; readonly wanted: string }
  /** A list in the words of common/augmentation.ts: in a file of mappings too, on the command line joined by commas. */
  | { readonly kind: 'augmentations'; readonly wanted: string };

export type ValueOf<K extends Kind> = K extends { kind: 'choice'; names: readonly (infer Name)[] }
  ? Name
  : K extends { kind: 'names'; known: readonly (infer Name)[] }
    ? Name[]
    : K extends { kind: 'whole' | 'real' | 'fraction' }
      ? number
      : K extends { kind: 'flag' }
        ? boolean
        : K extends { kind: 'wholes' }
          ? number[]
          : K extends { kind: 'names' | 'weights' | 'augmentations' }
            ? string[]
            : string;

export const whole = (bounds: { atLeast: number; atMost?: number }) => ({ kind: 'whole', ...bounds }) as const;
export const real = (bounds: { atLeast?: number; above?: number; atMost?: number; below?: number }) =>
  ({ kind: 'real', ...bounds }) as const;
export const fraction = { kind: 'fraction' } as const;
export const flag = { kind: 'flag' } as const;
export const choice = <const Names extends readonly [string, ...string[]]>(names: Names) => ({ kind: 'choice', names }) as const;
export const names = (wanted: string) => ({ kind: 'names', wanted, known: null }) as const;
export const text = (wanted: string, pattern?: RegExp) => ({ kind: 'text', wanted, ...(pattern && { pattern }) }) as const;

export type CommandName = 'train' | 'coordinator' | 'worker' | 'evaluate' | 'verify' | 'bench' | 'init';
/** Commands that train. */
export const RUNS = ['train', 'coordinator'] as const;

/** The headings of --help and docs/settings.md, in their order. */
export const GROUPS = {
  data: 'Model and data:',
  training: 'Training:',
  devices: 'Devices:',
  saving: 'Saving and resuming:',
  output: 'Output:',
} as const;

/**
 * `fixed`: the run's, and its result depends on it: a resume that changes it is refused. `kept`: the run's, and a resume may change it; the change is
 * written to config.yaml before the first step of it. `call`: of one call alone: where it computes, what it says, when it stops for now; what a resume
 * is told is never written back, and the line that continues the run repeats it.
 */
type Resume = 'fixed' | 'kept' | 'call';

export interface Facts {
  /** As commander reads it. */
  readonly flag: string | null;
  /** What the flag means without a value, where it may stand so. */
  readonly bare?: string;
  /** Those that offer the flag. */
  readonly commands: readonly CommandName[];
  readonly group: keyof typeof GROUPS;
  readonly help: string;
  readonly resume: Resume;
  /** Whether workers of a cluster need it: then the job on the wire carries it. */
  readonly workers: boolean;
  /** Whether `train({ … })` has it, by its name in camelCase. */
  readonly library: boolean;
  /** What other tools call it, in snake_case: for hints. */
  readonly aliases: readonly string[];
  /** Its name in runs and scripts from before, as a path: read wherever a path is, and as a flag that --help does not show. */
  readonly formerly?: string;
}

export interface Setting<Value = unknown> extends Facts {
  readonly kind: Kind;
  readonly default: Value;
}

export function setting<const K extends Kind, const F extends Facts>(
  kind: K,
  unset: null,
  facts: F,
): Setting<ValueOf<K> | null> & F;
export function setting<const K extends Kind, const F extends Facts>(
  kind: K,
  unset: ValueOf<K>,
  facts: F,
): Setting<ValueOf<K>> & F;
export function setting(kind: Kind, unset: unknown, facts: Facts): Setting {
  return { kind, default: unset, ...facts };
}

/** Settings under one key: `optimizer.schedule.name`. */
export interface Section {
  /** "<key> must be a mapping with …". */
  readonly wanted: string;
  readonly items: Items;
}
export interface Items {
  readonly [name: string]: Setting | Section;
}

export function section<const S extends Items>(wanted: string, items: S): { readonly wanted: string; readonly items: S } {
  return { wanted, items };
}

/** A configuration: each setting's value under its name. */
export type ConfigOf<S> = {
  -readonly [Name in keyof S]: S[Name] extends Setting<infer Value>
    ? Value
    : S[Name] extends { readonly items: infer Inner }
      ? ConfigOf<Inner>
      : never;
};
