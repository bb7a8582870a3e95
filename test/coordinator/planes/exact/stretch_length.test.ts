/** Owns: how many steps a lone replica takes in one call, by how long they take and how often somebody came between. */
import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../../../src/common/dataset.js';
import { LIMITS } from '../../../../src/common/limits.js';
import { mostInOneCall, StretchLength } from '../../../../src/coordinator/planes/exact/stretch_length.js';

const { stretchAfterSteps: after, stretchMs, stretchSteps } = LIMITS;

function taken(times: readonly number[]): StretchLength {
  const length = new StretchLength(stretchSteps);
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
    expect(length.atMost(Infinity)).toBe(stretchMs / 2);
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

describe('how many steps one call may take', () => {
  const field = (type: string, shape: number[]): object => ({ name: 'x', type, shape, scale: 1 });
  const inMemory = (type: string, ...shape: number[]): Dataset =>
    ({
      train: { count: 1, inputs: {}, targets: {} },
      fields: { inputs: [field(type, shape)], targets: [field('uint8', [])] },
    }) as unknown as Dataset;
  const on = (device: string, dataset: Dataset, batch = 32): number => mostInOneCall({ device }, dataset, batch);

  it('is one where rows are read while the run goes on, and on GPUs', () => {
    const columns = inMemory('float32', 32);
    expect(on('CPU', columns)).toBe(stretchSteps);
    expect(on('GPU', columns)).toBe(1);
    expect(on('CPU', { ...columns, train: { count: 1, source: 'npz', where: null, targets: {} } } as unknown as Dataset)).toBe(1);
  });

  it('is bounded by the bytes of their rows', () => {
    const bytes = LIMITS.stretchRowBytes;
    expect(on('CPU', inMemory('float32', 1000, 25 - 1))).toBe(Math.floor(bytes / (32 * (96_000 + 4))));
    expect(on('CPU', inMemory('uint8', 1000, 25 - 1))).toBe(Math.floor(bytes / (32 * (24_000 + 4))));
    expect(on('CPU', inMemory('float32', 1000, 1000))).toBe(1);
    expect(on('CPU', inMemory('float32', 1000), 2000)).toBe(2);
  });
});
