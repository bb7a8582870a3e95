/** Owns: `--data FILE.csv`: columns of a CSV file. */
import { openCsv } from '../files/csv.js';
import { datasetOfColumns } from '../tables/columns.js';
import { openRowFiles } from '../tables/row_file.js';
import type { SourceRow } from './source.js';

export const csv: SourceRow = {
  says: 'a .csv file',
  isMeant: (data) => /\.(csv|tsv)$/i.test(data),
  everywhere: false,
  load: (config, onProgress) => {
    const open = async (path: string): ReturnType<typeof openCsv> => {
      const file = await openCsv(path);
      if (file.separatedBy !== null)
        onProgress({ kind: 'note', message: `${path}: its columns are separated by ${file.separatedBy}` });
      return file;
    };
    return datasetOfColumns({ source: 'csv', open, how: null }, config, onProgress);
  },
  open: openRowFiles,
};
