/** Owns: `--data FILE.parquet`: columns of a Parquet file. */
import { openParquet } from '../files/parquet.js';
import { datasetOfColumns } from '../tables/columns.js';
import { openRowFiles } from '../tables/row_file.js';
import type { SourceRow } from './source.js';

export const parquet: SourceRow = {
  says: 'a .parquet file',
  isMeant: (data) => /\.parquet$/i.test(data),
  everywhere: false,
  load: (config, onProgress) => datasetOfColumns({ source: 'parquet', open: openParquet, how: null }, config, onProgress),
  open: openRowFiles,
};
