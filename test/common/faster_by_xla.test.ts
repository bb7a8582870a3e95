import { expect, it } from 'vitest';
import { isFasterByXla } from '../../src/common/faster_by_xla.js';

const SMALL = {
  classNames: ['InputLayer', 'Dense', 'Dropout', 'Dense'],
  weights: 55_000,
  threads: 2,
  instructions: 'x64 avx2+avx512f',
};

it('XLA is for dense layers by several threads: of few weights, of many with AMX alone', () => {
  expect(isFasterByXla(SMALL)).toBe(true);
  expect(isFasterByXla({ ...SMALL, threads: 1 })).toBe(false);
  expect(isFasterByXla({ ...SMALL, classNames: [...SMALL.classNames, 'LayerNormalization'] })).toBe(false);
  expect(isFasterByXla({ ...SMALL, classNames: ['InputLayer', 'Flatten'] })).toBe(false);
  const large = { ...SMALL, weights: 1_863_690 };
  expect(isFasterByXla(large)).toBe(false);
  expect(isFasterByXla({ ...large, instructions: 'x64 avx2+avx512f+amx_tile+amx_bf16' })).toBe(true);
});
