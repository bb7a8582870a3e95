/**
 * Owns: what is in a state's file: its words by sections, its tensors, and the check of both.
 * Does not: know files or folders (state_file.ts), or whether a state fits the present model, data and machine (state_match.ts).
 */
import { z } from 'zod';
import { createBucketLayout, trainedWeights } from '../../../common/bucket_layout.js';
import type { BucketLayout } from '../../../common/bucket_layout.js';
import { allFinite } from '../../../common/all_finite.js';
import { StorageError, invariant } from '../../../common/errors.js';
import { completeConfig } from '../../../common/settings/table.js';
import { renameKeys, toSnakeCase } from '../../../common/snake_case.js';
import { objectiveSchema } from '../../../common/objective.js';
import { DamagedFileError, encodeSafetensors, indexHeader, readTensorBytes } from './safetensors.js';
import type { ByteSource, SafetensorsIndex, TensorToStore } from './safetensors.js';
import {
  dataIdentitySchema,
  firstProgressSchema,
  metricsCursorSchema,
  modelSchema,
  numericsSchema,
  progressSchema,
  runSchema,
  storedConfigSchema,
} from './state_schema.js';
import { fromFirstVersion } from './first_version.js';
import type { RunState } from './state_schema.js';

const FORMAT = 'tfjs-parallel-state';
const VERSION = '2';
/** Each part of the words has a version of its own, so that one can change, or come, without a new format. */
const SECTIONS = { run: 1, progress: 2, objective: 1, metrics: 1, model: 1, data: 1, numerics: 1, config: 1 } as const;

/** The file's content, in order; tensor parts are views of the state's arrays. */
export async function encodeState(state: RunState): Promise<Uint8Array[]> {
  const { parameters, optimizerSlots, model, progress, objective, metrics, config, data, numerics } = state;
  const { seed, shards, coordinatorEpoch, runId, unkeptBest, trusted } = state;
  invariant(parameters.length === model.layout.totalSize, 'the state holds every parameter');
  const tensors = [...tensorsOf('parameters', parameters, model.layout.slots)];
  const trained = trainedWeights(model.layout);
  for (const { name, values } of optimizerSlots) {
    invariant(values.length === model.layout.trainedSize, `optimizer slot ${name} covers the trained parameters`);
    tensors.push(...tensorsOf(`optimizer/${name}`, values, trained));
  }
  const { name, topologySha256, names, layout } = model;
  const slots = optimizerSlots.map((slot) => slot.name);
  const run = { seed, shards, coordinatorEpoch, optimizerSlots: slots, runId, unkeptBest, trusted };
  const metadata = {
    format: FORMAT,
    version: VERSION,
    sections: JSON.stringify(SECTIONS),
    run: JSON.stringify(run),
    progress: JSON.stringify(progress),
    objective: JSON.stringify(objective),
    metrics: JSON.stringify(metrics),
    model: JSON.stringify({ name, topologySha256, names, trainedSlots: layout.trainedSlots, statistics: layout.statistics }),
    data: JSON.stringify(data),
    numerics: JSON.stringify(numerics),
    config: JSON.stringify(renameKeys(config, toSnakeCase)),
  };
  return encodeSafetensors(tensors, new Map(Object.entries(metadata)));
}

/** The reader's own checks on what is about to be written: what it would refuse must not take the place of what it accepts. */
export function requireReadable(
  { progress, parameters, optimizerSlots }: RunState,
  [, header, ...tensors]: readonly Uint8Array[],
): void {
  try {
    const { layout } = readWords(
      indexHeader(
        header,
        tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
      ),
    );
    const slots = optimizerSlots.map(({ name, values }) => ({ name: `optimizer/${name}`, values }));
    for (const { name, values } of [{ name: 'parameters', values: parameters }, ...slots]) {
      if (allFinite(values)) continue;
      const bad = layout.slots.find(({ offset, size }) => !allFinite(values.subarray(offset, offset + size)));
      throw new DamagedFileError(`${name}/${bad?.name} is not finite`);
    }
  } catch (error) {
    if (!(error instanceof DamagedFileError)) throw error;
    throw new StorageError({
      code: 'STATE_UNREADABLE',
      message: `the state of step ${progress.step} could not be read again, so it was not written: ${error.message}`,
      next: 'Resume from the state before it, which is intact.',
      cause: error,
    });
  }
}

type StateWords = Omit<RunState, 'parameters' | 'optimizerSlots' | 'model'> & {
  readonly slotNames: readonly string[];
  readonly model: Omit<RunState['model'], 'layout'>;
  readonly layout: BucketLayout;
};

/** All but the tensors' values. */
function readWords(index: Pick<SafetensorsIndex, 'metadata' | 'tensors'>): StateWords {
  const { metadata } = index;
  const format = metadata.get('format');
  if (format !== FORMAT) throw new DamagedFileError('it is not a state of a run');
  const isFirst = isOfFirstVersion(metadata);
  const run = words(metadata, 'run', runSchema);
  const metrics = words(metadata, 'metrics', metricsCursorSchema);
  const model = words(metadata, 'model', modelSchema);
  const data = words(metadata, 'data', dataIdentitySchema);
  const numerics = words(metadata, 'numerics', numericsSchema);
  // Settings that a later version added keep their default, which is how the run was made.
  const config = completeConfig(words(metadata, 'config', storedConfigSchema));
  const { progress, objective } = isFirst
    ? fromFirstVersion(words(metadata, 'progress', firstProgressSchema), config)
    : { progress: words(metadata, 'progress', progressSchema), objective: words(metadata, 'objective', objectiveSchema) };
  if (progress.totals.metrics.length !== objective.metrics.length)
    throw new DamagedFileError('metadata progress.totals: not one for each metric');
  const layout = layoutOf(index, model);
  checkSlots(index, layout, run.optimizerSlots);
  const { seed, shards, coordinatorEpoch, runId, unkeptBest, trusted, optimizerSlots: slotNames } = run;
  const { name, topologySha256, names } = model;
  return {
    ...{ progress, objective, seed, shards, coordinatorEpoch, config, data, numerics, metrics, slotNames, layout },
    ...(runId !== undefined && { runId }),
    ...(unkeptBest !== undefined && { unkeptBest }),
    ...(trusted !== undefined && { trusted }),
    model: { name, topologySha256, ...(names && { names }) },
  };
}

/** @throws DamagedFileError with what is wrong */
export async function decodeState(source: ByteSource, index: SafetensorsIndex): Promise<RunState> {
  const { slotNames, layout, model, ...words } = readWords(index);
  const bytes = await readTensorBytes(source, index);
  const all = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  const bad = all.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw new DamagedFileError(`${index.tensors.find(({ end }) => bad * 4 < end)?.name} is not finite`);
  const parameters = all.subarray(0, layout.totalSize);
  const optimizerSlots = slotNames.map((name, nth) => {
    const start = layout.totalSize + nth * layout.trainedSize;
    return { name, values: all.subarray(start, start + layout.trainedSize) };
  });
  return { ...words, parameters, optimizerSlots, model: { ...model, layout } };
}

const sectionsSchema = z.record(z.string(), z.number());

/** Whether the file is of the first version, which knew no sections. @throws DamagedFileError naming the version that is not read here */
function isOfFirstVersion(metadata: ReadonlyMap<string, string>): boolean {
  const version = metadata.get('version');
  if (version === '1') return true;
  if (version !== VERSION)
    throw new DamagedFileError(`its version is ${version?.slice(0, 20)}, this program reads 1 and ${VERSION}`);
  const sections = words(metadata, 'sections', sectionsSchema);
  const known: Readonly<Record<string, number>> = SECTIONS;
  for (const [name, found] of Object.entries(sections)) {
    if (known[name] === found) continue;
    const reads = Object.hasOwn(known, name) ? `reads ${known[name]}` : 'knows none of that name';
    throw new DamagedFileError(`its section ${name.slice(0, 40)} is of version ${found}, this program ${reads}`);
  }
  return false;
}

function words<Schema extends z.ZodType>(metadata: ReadonlyMap<string, string>, key: string, schema: Schema): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(metadata.get(key) ?? '');
  } catch {
    throw new DamagedFileError(`metadata ${key} is missing or not JSON`);
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new DamagedFileError(`metadata ${[key, ...issue.path].join('.').slice(0, 100)}: ${issue.message}`);
}

const PARAMETERS = 'parameters/';

function layoutOf({ tensors }: Pick<SafetensorsIndex, 'tensors'>, model: z.infer<typeof modelSchema>): BucketLayout {
  const weights = tensors
    .filter(({ name }) => name.startsWith(PARAMETERS))
    .map(({ name, shape }) => ({ name: name.slice(PARAMETERS.length), shape }));
  const momenta = new Map(model.statistics.map(({ slot, momentum }) => [slot, momentum]));
  if (model.trainedSlots > weights.length)
    throw new DamagedFileError(`metadata model: ${model.trainedSlots} trained weights of ${weights.length}`);
  for (const slot of momenta.keys())
    if (slot < model.trainedSlots || slot >= weights.length)
      throw new DamagedFileError(`metadata model: no statistic at ${slot}`);
  return createBucketLayout({
    weights: weights.map((weight, at) => ({ ...weight, statisticMomentum: momenta.get(at) })),
    trained: model.trainedSlots,
  });
}

/** The tensors are exactly the parameters, then each optimizer slot's, all float32, in layout order. */
function checkSlots({ tensors }: Pick<SafetensorsIndex, 'tensors'>, layout: BucketLayout, slotNames: readonly string[]): void {
  const trained = trainedWeights(layout);
  const wanted = [
    ...layout.slots.map(({ name, shape }) => ({ name: `${PARAMETERS}${name}`, shape })),
    ...slotNames.flatMap((slot) => trained.map(({ name, shape }) => ({ name: `optimizer/${slot}/${name}`, shape }))),
  ];
  // Tensors without elements share their position with a neighbor, so their order in the file is not told by offsets.
  const found = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (found.size !== wanted.length) throw new DamagedFileError(`${found.size} tensors where ${wanted.length} belong`);
  let begin = 0;
  for (const { name, shape } of wanted) {
    const tensor = found.get(name);
    if (tensor === undefined) throw new DamagedFileError(`tensor ${name.slice(0, 100)} is missing`);
    if (tensor.dtype !== 'F32' || tensor.begin !== begin || String(tensor.shape) !== String(shape))
      throw new DamagedFileError(`tensor ${name.slice(0, 100)} is not where and what it should be`);
    begin = tensor.end;
  }
}

function* tensorsOf(prefix: string, values: Float32Array, slots: BucketLayout['slots']): Generator<TensorToStore> {
  for (const { name, shape, offset, size } of slots)
    yield { name: `${prefix}/${name}`, dtype: 'F32', shape, values: values.subarray(offset, offset + size) };
}
