/**
 * Owns: nested arguments and results of a compiled function: flat lists of tensors and back, and a text that tells structures apart.
 * Does not: know recordings.
 */
import type * as tfjs from '@tensorflow/tfjs';
import { tf } from '../backend/tfjs.js';

/** A nested structure with its tensors taken out, numbered in the order they were met. */
export type Structure =
  | { kind: 'tensor'; index: number }
  | { kind: 'value'; value: unknown }
  | { kind: 'list'; items: Structure[] }
  | { kind: 'record'; entries: [string, Structure][] };

export interface Flattened {
  structure: Structure;
  /** Each tensor once, however often it occurs. */
  tensors: tfjs.Tensor[];
}

/** `refuse` is called for what is neither tensor, plain value, list nor record; it throws. Variables stay in the structure as values. */
export function flatten(
  nested: unknown,
  refuse: (what: string) => never,
  { variables }: { variables: 'tensors' | 'values' },
): Flattened {
  const tensors: tfjs.Tensor[] = [];
  const indices = new Map<tfjs.Tensor, number>();
  const path: object[] = [];
  const within = <Result>(item: object, body: () => Result): Result => {
    if (path.includes(item)) return refuse('a structure that holds itself');
    path.push(item);
    const result = body();
    path.pop();
    return result;
  };
  const visit = (item: unknown): Structure => {
    if (item instanceof tf.Tensor && !(variables === 'values' && item instanceof tf.Variable)) {
      let index = indices.get(item);
      if (index === undefined) {
        index = tensors.push(item) - 1;
        indices.set(item, index);
      }
      return { kind: 'tensor', index };
    }
    if (Array.isArray(item)) return within(item, () => ({ kind: 'list', items: item.map(visit) }));
    if (
      item === null ||
      ['undefined', 'boolean', 'number', 'string', 'bigint'].includes(typeof item) ||
      item instanceof tf.Variable
    ) {
      return { kind: 'value', value: item };
    }
    if (typeof item === 'object' && isPlain(item)) {
      return within(item, () => ({ kind: 'record', entries: Object.entries(item).map(([key, value]) => [key, visit(value)]) }));
    }
    return refuse(describe(item));
  };
  return { structure: visit(nested), tensors };
}

export function unflatten(structure: Structure, tensors: readonly unknown[]): unknown {
  switch (structure.kind) {
    case 'tensor':
      return tensors[structure.index];
    case 'value':
      return structure.value;
    case 'list':
      return structure.items.map((item) => unflatten(item, tensors));
    case 'record':
      return Object.fromEntries(structure.entries.map(([key, value]) => [key, unflatten(value, tensors)]));
  }
}

/** Equal texts: equal structure and plain values. `leaf` writes a tensor. */
export function structureText(structure: Structure, leaf: (index: number) => string): string {
  switch (structure.kind) {
    case 'tensor':
      return leaf(structure.index);
    case 'value':
      return plainText(structure.value);
    case 'list':
      return `[${structure.items.map((item) => structureText(item, leaf)).join(', ')}]`;
    case 'record':
      return `{ ${structure.entries.map(([key, value]) => `${keyText(key)}: ${structureText(value, leaf)}`).join(', ')} }`;
  }
}

/** Quoted if it could be read as more than a key. */
function keyText(key: string): string {
  return /^\w+$/.test(key) ? key : JSON.stringify(key);
}

function plainText(value: unknown): string {
  if (value instanceof tf.Variable) return `variable ${value.name}#${value.id}`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'bigint') return `${value}n`;
  return Object.is(value, -0) ? '-0' : String(value);
}

function isPlain(item: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(item);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype as object) === null;
}

function describe(item: unknown): string {
  if (typeof item === 'function') return `a function (${item.name || 'unnamed'})`;
  if (typeof item === 'object' && item !== null) return `a ${item.constructor?.name ?? 'nameless object'}`;
  return typeof item;
}
