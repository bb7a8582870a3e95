/**
 * Owns: the list of augmentations as a setting: what each is called and takes, read from files (`{ shift: 2, fill: edge }`) and the command line
 * (`shift 2 fill edge`), and kept as the words of the latter.
 * Does not: compute (src/worker/augment does) or know inputs and labels.
 */
import { suggest } from './suggest.js';

/** What stands where a picture is moved from outside of itself: 0, the nearest pixel, or its mirror image. */
const FILLS = ['zero', 'edge', 'reflect'] as const;
type Fill = (typeof FILLS)[number];
const DIRECTIONS = ['horizontal', 'vertical', 'both'] as const;

interface Amount {
  readonly wants: string;
  fits(value: number): boolean;
}

interface Facts {
  /** Null where it takes none. */
  readonly amount: Amount | null;
  readonly hasFill?: true;
  /** Of labels, or of whole examples; all others change the picture of an input. */
  readonly of?: 'labels' | 'examples';
}

const pixels: Amount = {
  wants: 'a whole number of pixels, 1 or more',
  fits: (value) => Number.isSafeInteger(value) && value >= 1 && value <= 100_000,
};
const real = (wants: string, fits: (value: number) => boolean): Amount => ({ wants, fits });
const share = real('a number above 0 and below 1', (value) => value > 0 && value < 1);

export const AUGMENTATIONS = {
  flip: { amount: null },
  shift: { amount: pixels, hasFill: true },
  rotate: { amount: real('degrees above 0, at most 180', (value) => value > 0 && value <= 180), hasFill: true },
  zoom: { amount: share, hasFill: true },
  brightness: { amount: real('a number above 0', (value) => value > 0 && value < 1e6) },
  contrast: { amount: real('a number above 0, at most 1', (value) => value > 0 && value <= 1) },
  cutout: { amount: pixels },
  label_smoothing: { amount: share, of: 'labels' },
  mixup: { amount: real('a number above 0, the α of Beta(α, α)', (value) => value > 0 && value <= 100), of: 'examples' },
} as const satisfies Readonly<Record<string, Facts>>;
export type AugmentationName = keyof typeof AUGMENTATIONS;

/** What other tools call them. */
const ALIASES: Readonly<Record<string, AugmentationName>> = {
  crop: 'shift',
  random_crop: 'shift',
  translate: 'shift',
  rotation: 'rotate',
  scale: 'zoom',
  erase: 'cutout',
  random_erasing: 'cutout',
  smooth: 'label_smoothing',
};

export interface Augmentation {
  readonly name: AugmentationName;
  /** NaN where it takes none. */
  readonly amount: number;
  /** Of `flip`. */
  readonly direction: (typeof DIRECTIONS)[number];
  readonly fill: Fill;
  /** The input that it changes, or the output whose labels; null where there is but one. */
  readonly on: string | null;
}

const MOST = 16;

/** Whether a replica needs more rows of the global batch than its own. */
export const mixesExamples = (list: readonly string[]): boolean => list.some((entry) => entry.startsWith('mixup'));

/**
 * The list in its own words, from those or from what a file or a program gives: text joined by commas, a list of texts and mappings, one mapping.
 * @throws Error whose message ends the sentence "augment must be …"
 */
export function augmentationList(given: unknown): string[] {
  if (given === 'none' || given === '') return [];
  const parts = typeof given === 'string' ? given.split(',') : Array.isArray(given) ? (given as unknown[]) : [given];
  const entries = parts.map((part) => wordsOf(readAugmentation(part)));
  if (entries.length > MOST) throw new Error(`a list of at most ${MOST} augmentations`);
  if (entries.filter((entry) => entry.startsWith('mixup')).length > 1) throw new Error('a list with one mixup at most');
  return entries;
}

/** @throws Error as augmentationList */
export function readAugmentation(part: unknown): Augmentation {
  const words = typeof part === 'string' ? part.trim().split(/[\s:]+/) : wordsOfMapping(part);
  const [name, facts] = named(words[0] ?? '');
  const rest = words.slice(1);
  const first = facts.amount !== null || (DIRECTIONS as readonly string[]).includes(rest[0]) ? rest.shift() : undefined;
  if (facts.amount !== null && !facts.amount.fits(first === undefined || first === '' ? NaN : Number(first)))
    throw new Error(`a list of augmentations, in which ${name} takes ${facts.amount.wants}`);
  const options = optionsOf(name, facts, rest);
  return {
    name,
    amount: facts.amount === null ? NaN : Number(first),
    direction: (facts.amount === null ? (first as Augmentation['direction']) : undefined) ?? 'horizontal',
    ...options,
  };
}

/** `rotate 15 fill edge on image`. */
function wordsOf({ name, amount, direction, fill, on }: Augmentation): string {
  const first = Number.isNaN(amount) ? (direction === 'horizontal' ? [] : [direction]) : [String(amount)];
  return [name, ...first, ...(fill === 'zero' ? [] : ['fill', fill]), ...(on === null ? [] : ['on', on])].join(' ');
}

function named(word: string): [AugmentationName, Facts] {
  const snake = word.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replaceAll('-', '_');
  const name = Object.hasOwn(ALIASES, snake) ? ALIASES[snake] : snake;
  if (Object.hasOwn(AUGMENTATIONS, name)) return [name as AugmentationName, AUGMENTATIONS[name as AugmentationName]];
  const near = suggest(snake, Object.keys(AUGMENTATIONS));
  const meant = near === null ? '' : ` (did you mean ${near} by ${JSON.stringify(word.slice(0, 40))}?)`;
  throw new Error(`a list of ${Object.keys(AUGMENTATIONS).join(', ')}${meant}`);
}

/** `{ shift: 2, fill: edge }`: its name comes first, whatever the order of the keys. `{ flip: true }` is `flip`. */
function wordsOfMapping(part: unknown): string[] {
  if (typeof part !== 'object' || part === null || Array.isArray(part))
    throw new Error('a list such as [flip, { shift: 2 }, { rotate: 15, fill: edge }]');
  const entries = Object.entries(part as Record<string, unknown>).map(([key, value]) => [key, String(value)]);
  const isOption = ([key]: string[]): boolean => key === 'fill' || key === 'on';
  const [own, ...others] = entries.filter((entry) => !isOption(entry));
  if (own === undefined || others.length > 0)
    throw new Error(`a list with one augmentation in each mapping, found ${entries.map(([key]) => key).join(', ') || 'none'}`);
  const flat = [own[0], ...(own[1] === 'true' ? [] : [own[1]]), ...entries.filter(isOption).flat()];
  if (flat.some((word) => /[\s,:]/.test(word) || word === ''))
    throw new Error('a list of augmentations whose names and values have no spaces, commas or colons');
  return flat;
}

function optionsOf(name: string, facts: Facts, words: readonly string[]): Pick<Augmentation, 'fill' | 'on'> {
  let options: Pick<Augmentation, 'fill' | 'on'> = { fill: 'zero', on: null };
  for (let at = 0; at < words.length; at += 2) {
    const [key, value] = [words[at], words[at + 1]];
    if (key === 'fill' && facts.hasFill === true) {
      if (!(FILLS as readonly string[]).includes(value))
        throw new Error(`a list of augmentations, in which fill is ${FILLS.join(', ')}`);
      options = { ...options, fill: value as Fill };
    } else if (key === 'on' && facts.of !== 'examples' && value !== undefined && value !== '')
      options = { ...options, on: value };
    else throw new Error(`a list of augmentations, in which ${name} takes ${takes(facts)}`);
  }
  return options;
}

function takes({ amount, hasFill, of }: Facts): string {
  const first = amount?.wants ?? DIRECTIONS.join(', ');
  const options = [...(hasFill === true ? [`fill ${FILLS.join('|')}`] : []), ...(of === 'examples' ? [] : ['on NAME'])];
  return [first, ...options].join('; ');
}
