import { expect, it } from 'vitest';
import { forWorker } from '../../src/api/work.js';
import { DataError, type ExpectedError } from '../../src/common/errors.js';
import { tablesError } from '../../src/data/tables/dataset.js';

it('a worker is not told to use flags for columns, which it does not have', () => {
  const told = forWorker(tablesError('t.csv', 'it has no column b'), 'train.csv') as ExpectedError;
  expect([told.code, told.message, told.next]).toEqual([
    ...['DATA_TABLES', 't.csv: it has no column b'],
    'Give this worker the data that the coordinator has (train.csv there).',
  ]);
});

it('any other error of its data stays as it is', () => {
  const other = new DataError({ code: 'DATA_VALUE', message: 'm', next: 'Give --label-file FILE.' });
  expect((forWorker(other, 'train.csv') as ExpectedError).next).toBe('Give --label-file FILE.');
  const unknown = new Error('x');
  expect(forWorker(unknown, 'train.csv')).toBe(unknown);
});
