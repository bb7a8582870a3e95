/**
 * Owns: the options of predict() and evaluate(), checked, and on which replicas they ask to compute: those that are open for the model where they name none.
 * Does not: compute (predict.ts, evaluate.ts).
 */
import type * as tfjs from '@tensorflow/tfjs';
import { UsageError } from '../../common/errors.js';
import { optionTexts } from '../option_texts.js';
import { configLayerSchema } from '../../common/settings/schema.js';
import { completeConfig } from '../../common/settings/table.js';
import { renameKeys, toSnakeCase } from '../../common/snake_case.js';
import type { TrainConfig } from '../../common/train_config.js';
import { workOf } from '../../worker/replica/model_work.js';
import { placedFor, placeRun } from '../devices.js';
import type { ByName } from '../train_options.js';
import { invalid, refuseUnknown, wrong } from '../option_checks.js';
import type { ReplicaRequest } from '../replicas.js';
import type { NamedRows } from './rows.js';
import type { WarmReplicas } from './warm_replicas.js';

/** tfjs's. */
export const DEFAULT_BATCH = 32;

const PLACING = ['gpus', 'workers', 'threadsPerWorker'] as const;
const COMPUTING = ['precision', 'compile', 'execution'] as const;

/** Where and how: what is left out is as in the last call of the same model whose replicas are open. */
export interface ComputeOptions extends Partial<Pick<TrainConfig, (typeof PLACING)[number] | (typeof COMPUTING)[number]>> {
  /** TensorFlow's names, one replica on each: `['GPU:0', 'GPU:1']`. */
  readonly devices?: readonly string[];
  /** Hears lines about what takes long before the first batch. Default: none. */
  readonly onProgress?: (line: string) => void;
}

export interface PredictOptions extends ComputeOptions {
  /** Rows that one replica computes at once. The result does not depend on the number of replicas. Default 32. */
  readonly batchSize?: number;
  /** Accepted: tfjs throws for true. Nothing is shown. */
  readonly verbose?: boolean | 0 | 1;
}

export interface EvaluateOptions extends PredictOptions {
  /** By how much each example counts in the loss, as in fit() (tfjs throws). */
  readonly sampleWeight?: NamedRows;
  /** By how much the loss of each output counts, as in fit(). */
  readonly lossWeights?: ByName['lossWeights'];
}

export interface EvaluateDatasetOptions extends ComputeOptions, Pick<EvaluateOptions, 'lossWeights' | 'verbose'> {
  /** So many batches and no more. Default: to the dataset's end. */
  readonly batches?: number;
}

const SHARED = [...PLACING, ...COMPUTING, 'devices', 'onProgress', 'verbose'];
const KNOWN = {
  'predict()': [...SHARED, 'batchSize'],
  'evaluate()': [...SHARED, 'batchSize', 'sampleWeight', 'lossWeights'],
  'evaluateDataset()': [...SHARED, 'batches', 'lossWeights'],
} as const;
export type ComputeCall = keyof typeof KNOWN;

export type Computing = Pick<ReplicaRequest, 'placement' | 'rows' | 'config' | 'say'>;

/** @throws UsageError OPTION_UNKNOWN, OPTION_INVALID, OPTION_REFUSED, and those of devices */
export function computingOf(
  call: ComputeCall,
  model: tfjs.LayersModel,
  given: EvaluateOptions & EvaluateDatasetOptions,
  warm: WarmReplicas,
): Computing {
  const options = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined && value !== null));
  if (call === 'evaluate()' && 'steps' in options)
    throw new UsageError({
      code: 'OPTION_REFUSED',
      message: 'evaluate() does not take steps: tfjs throws for it; all rows are evaluated',
      next: 'Leave it out, and give the rows that count.',
    });
  refuseUnknown(options, { call, known: KNOWN[call], prefix: '', all: KNOWN[call] });
  requireWhole('batchSize', given.batchSize);
  requireWhole('batches', given.batches);
  const { devices, onProgress } = given;
  if (devices !== undefined && !(Array.isArray(devices) && devices.every((device) => typeof device === 'string')))
    throw wrong('devices', "a list of TensorFlow's names, such as ['GPU:0', 'GPU:1']", devices);
  const names: readonly string[] = [...PLACING, ...COMPUTING, 'lossWeights'];
  const settings = Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
  const checked = configLayerSchema.safeParse(renameKeys(optionTexts(settings), toSnakeCase));
  if (!checked.success) throw invalid(checked.error.issues[0], options, call);
  const config = completeConfig(checked.data);
  const open = warm.openedWith;
  const isPlaced = devices !== undefined || PLACING.some((name) => options[name] !== undefined);
  const rows = given.batchSize ?? DEFAULT_BATCH;
  const { precision, compile, execution, batchNorm } = { ...config, ...open?.config, ...(settings as Partial<TrainConfig>) };
  return {
    placement: placedFor(open === null || isPlaced ? placeRun(devices, config) : open.placement, workOf(model), rows),
    rows,
    config: {
      ...{ precision, compile, execution, batchNorm, augment: [], loss: null, metrics: null },
      ...{ seed: open?.config.seed ?? config.seed, lossWeights: config.lossWeights },
    },
    say: onProgress ?? (() => undefined),
  };
}

function requireWhole(name: string, value: number | null | undefined): void {
  if (value === undefined || value === null || (Number.isSafeInteger(value) && value > 0)) return;
  throw wrong(name, 'a whole number of at least 1', value);
}
