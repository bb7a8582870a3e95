/** Owns: the table of data sources. A source is a file and a row here. */
import { csv } from './csv.js';
import { idx } from './idx_folder.js';
import { images } from './images.js';
import { mnist } from './mnist.js';
import { module } from './module.js';
import { npz } from './npz.js';
import { parquet } from './parquet.js';
import type { SourceRow } from './source.js';
import { synthetic } from './synthetic.js';

export const SOURCES: Readonly<Record<string, SourceRow>> = { mnist, synthetic, idx, module, npz, csv, parquet, images };
