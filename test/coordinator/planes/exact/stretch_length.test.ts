/** Owns: how many steps a lone replica takes in one call, by how long they take and how often somebody came between. */
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../../src/common/dataset.js';
import { LIMITS } from '../../../../src/common/limits.js';
import { mayStretch, StretchLength } from '../../../../src/coordinator/planes/exact/stretch_length.js';

const { stretchAfterSteps: after, stretchMs, stretchSteps } = LIMITS;

function taken(times: readonly number[]): StretchLength {
  const length = new StretchLength();
  for (const ms of times) length.took(ms, 1);
  return length;
}

const of = (ms: number): number[] => Array.from({ length: after }, () => ms);

describe('a stretch', () => {
  it.each([
    ['of steps that take no time', 0, stretchSteps],
    ['of short steps', 0.3, stretchSteps],
    ['that would last too long is shorter', stretchMs / 13.5, 13],
    ['of steps of half that time', stretchMs / 2, 2],
    ['of longer ones is none', stretchMs / 1.9, 1],
  ])('%s', (_, ms, steps) => {
    const length = taken(of(ms));
    expect(length.atMost(Infinity)).toBe(steps);
    expect(length.steps).toBe(steps);
  });

  it('ends with what is left', () => {
    const length = taken(of(1));
    expect([31, 9, 8, 3, 1, 0, -4].map((left) => length.atMost(left))).toEqual([31, 9, 8, 3, 1, 1, 1]);
  });

  it('waits until the time of a step is known, which the first ones, that record, do not tell', () => {
    const first = [900, 300, 40, 50, 2, 2, 2, 60];
    const length = taken(first);
    expect(length.atMost(100)).toBe(1);
    expect(length.steps).toBeNull();
    for (let step = first.length; step < after; step++) length.took(2, 1);
    expect(length.atMost(100)).toBe(stretchSteps);
  });

  it('is none of long steps, which is known sooner', () => {
    expect(taken(Array.from({ length: 8 }, () => 250)).steps).toBe(1);
  });

  it('follows the time that steps take, but for the first, which records', () => {
    const length = taken(of(1));
    length.took(500, 32);
    expect(length.atMost(32)).toBe(32);
    for (let call = 0; call < 60; call++) length.took(stretchMs / 4, 32);
    expect(length.atMost(32)).toBe(4);
  });

  it('that was cut makes the next steps single, twice as many each time, up to a bound', () => {
    const length = taken(of(1));
    const singly: number[] = [];
    for (let cuts = 0; cuts < 12; cuts++) {
      length.cut();
      let steps = 0;
      for (; length.atMost(32) === 1; steps++) length.took(1, 1);
      singly.push(steps);
    }
    expect(singly.slice(0, 3)).toEqual([2 * after, 4 * after, 8 * after]);
    expect(singly.at(-1)).toBe(LIMITS.stretchMostSingly);
  });
});

it('rows that are read while the run goes on, and GPUs, are left to single steps', () => {
  const inMemory = { train: { count: 1, inputs: {}, targets: {} } } as unknown as Dataset;
  const elsewhere = { train: { count: 1, source: 'npz', where: null, targets: {} } } as unknown as Dataset;
  expect(mayStretch({ device: 'CPU' }, inMemory)).toBe(true);
  expect(mayStretch({ device: 'GPU' }, inMemory)).toBe(false);
  expect(mayStretch({ device: 'CPU' }, elsewhere)).toBe(false);
});
