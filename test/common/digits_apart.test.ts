import { expect, test } from 'vitest';
import { digitsApart } from '../../src/common/digits_apart.js';

test('two numbers are shown with as many digits as tell them apart, and equal ones alike', () => {
  const show = (value: number, digits: number): string => value.toPrecision(digits);
  expect(digitsApart([0.1, 0.2], show, 3)).toEqual(['0.100', '0.200']);
  expect(digitsApart([0.0123456, 0.0123457], show, 3)).toEqual(['0.0123456', '0.0123457']);
  expect(digitsApart([1 / 3, 1 / 3], show, 3)).toEqual(['0.333', '0.333']);
  // Neighbors among doubles: 0.1 + 0.2 is 0.3 and one step.
  expect(digitsApart([0.3, 0.1 + 0.2], show, 3)).toEqual(['0.29999999999999999', '0.30000000000000004']);
});
