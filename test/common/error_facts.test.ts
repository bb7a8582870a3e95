import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { errorCode, errorMessage, isErrorLike } from '../../src/common/error_facts.js';
import { datasetFromArrays } from '../../src/data/arrays.js';
import { plain } from '../support/plain_data.js';

/** What Node's file system throws there, as code under Jest or in a `node:vm` context meets it. */
const foreign = runInNewContext('try { read("/nowhere/at/all") } catch (error) { error }', { read: readFileSync }) as unknown;
/** An error of the other realm itself. */
const foreignOwn = runInNewContext('Object.assign(new TypeError("of there"), { code: "EEXIST" })') as unknown;

describe('errors of another realm', () => {
  it('are read by their code, whatever class they are of', () => {
    expect(foreignOwn instanceof Error).toBe(false);
    expect(errorCode(foreign)).toBe('ENOENT');
    expect(errorCode(foreignOwn)).toBe('EEXIST');
    expect(errorMessage(foreignOwn)).toBe('of there');
  });

  it('are told from what is no error', () => {
    for (const value of [undefined, null, 'ENOENT', 7, {}, { code: 'ENOENT' }, { message: 7 }]) {
      expect(isErrorLike(value)).toBe(false);
      expect(errorCode(value)).toBe('');
    }
    expect(errorCode(new Error('no code'))).toBe('');
    expect(errorMessage(undefined)).toBe('undefined');
  });
});

it('typed arrays of another realm are taken as those of this one', async () => {
  const source = runInNewContext(`({
    inputShape: [2],
    train: { x: Float32Array.of(1, 2, 3, 4), y: Int32Array.of(0, 1) },
    validation: { x: Float64Array.of(5, 6), y: Int16Array.of(1) },
  })`) as Parameters<typeof datasetFromArrays>[0];
  expect(source.train.x instanceof Float32Array).toBe(false);
  const { train, validation } = plain(await datasetFromArrays(source));
  expect([...train.x, ...validation.x, ...train.y, ...validation.y]).toEqual([1, 2, 3, 4, 5, 6, 0, 1, 1]);
});
