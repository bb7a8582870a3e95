/**
 * Owns: what may be meant by a name that no setting has: one that is nearly right, or what another tool calls it.
 * Does not: word the message: the command line, files and the library call each do.
 */
import { toSnakeCase } from '../snake_case.js';
import { suggest } from '../suggest.js';
import { SETTING_LIST } from './table.js';

/** What other tools have as an option, and this one otherwise: the sentence that says how, and their names. */
const OTHERWISE: readonly (readonly [advice: string, ...names: readonly string[]])[] = [
  [
    'the data says what is validated: a module or arrays with train and validation sets',
    ...['validation_split', 'val_split', 'test_split', 'test_size', 'val_fraction'],
  ],
  ['-v on the command line, or onProgress and observer in the library', 'verbose', 'verbosity', 'verbose_level', 'log_level'],
  [
    'a run goes on with --resume RUN, resume in the library',
    ...['resume_from_checkpoint', 'resume_from', 'resume_path', 'ckpt_path', 'restore', 'continue'],
  ],
  ['a run goes on with --resume RUN, other weights to begin with are --init-from MODEL', 'checkpoint', 'load_from', 'ckpt'],
  [
    'weights to begin with are --init-from MODEL, initFrom in the library',
    ...['pretrained', 'pretrained_model', 'init_checkpoint', 'load_weights', 'initial_weights', 'weights'],
  ],
  [
    'nobody has a rank: `tfjs-parallel coordinator` on one machine, and `tfjs-parallel worker --host` with its address on each other',
    ...['rank', 'local_rank', 'node_rank', 'nnodes', 'num_nodes', 'nproc_per_node', 'hosts', 'hostfile', 'dist_url'],
    ...['master_addr', 'master_port', 'rdzv_endpoint', 'rdzv_backend', 'rdzv_id', 'init_method'],
  ],
  [
    'there is one way: gradients are added in one order on all devices, which --gpus and --workers choose',
    ...['strategy', 'backend', 'dist_backend', 'accelerator', 'distribution_strategy', 'distributed', 'ddp', 'fsdp', 'deepspeed'],
  ],
  ['equal settings give equal bits, always', 'deterministic', 'use_deterministic_algorithms', 'deterministic_ops', 'benchmark'],
  [
    'each epoch ends with a validation',
    ...['eval_steps', 'eval_every', 'eval_interval', 'eval_freq', 'evaluation_strategy', 'eval_strategy', 'validation_freq'],
    ...['val_check_interval', 'check_val_every_n_epoch', 'do_eval'],
  ],
  [
    'a warm-up is told in epochs, fractions allowed: optimizer.schedule.warmup_epochs',
    ...['warmup_steps', 'num_warmup_steps', 'warmup_ratio', 'warmup_iters', 'warmup_updates'],
  ],
  [
    'a run is followed with --dashboard, and its folder has metrics.jsonl and, by --report, files for TensorBoard',
    ...['wandb', 'use_wandb', 'wandb_project', 'mlflow', 'comet', 'neptune', 'clearml'],
  ],
  ['dropout is a layer of the model', 'dropout', 'drop_rate', 'dropout_rate', 'drop_path'],
  [
    'the data says by how much each example counts, `weights` beside x and y; fit() in the library takes classWeight and sampleWeight',
    ...['class_weight', 'class_weights', 'sample_weight', 'sample_weights', 'pos_weight'],
  ],
  ['the data says how many classes there are', 'num_classes', 'n_classes', 'nb_classes'],
  [
    'the last batch of an epoch is trained on too, and divided by its own size',
    'drop_last',
    'drop_remainder',
    'dataloader_drop_last',
  ],
  [
    'a thread beside each replica reads its rows ahead',
    'pin_memory',
    'persistent_workers',
    'prefetch_factor',
    'num_parallel_calls',
  ],
];

const ELSEWHERE: ReadonlyMap<string, string> = new Map(
  OTHERWISE.flatMap(([advice, ...names]) => names.map((name) => [name, advice] as const)),
);

export type Hint =
  { readonly path: string; readonly advice?: undefined } | { readonly advice: string; readonly path?: undefined };

/** `--batch-size`, `batchSize`, `batch_size`, `BATCH_SIZE` are one name. */
function plain(word: string): string {
  const name = word.replace(/^-+(no-)?/, '');
  return (/[a-z]/.test(name) ? toSnakeCase(name) : name.toLowerCase()).replaceAll('-', '_');
}

/** By a name that is known elsewhere, in this table or in another tool; null where none is. */
export function knownElsewhere(word: string): Hint | null {
  const name = plain(word);
  const found =
    SETTING_LIST.find(({ path }) => path === name || path.split('.').at(-1) === name) ??
    SETTING_LIST.find(({ setting }) => setting.formerly === name || setting.aliases.includes(name));
  if (found !== undefined) return { path: found.path };
  const advice = ELSEWHERE.get(name);
  return advice === undefined ? null : { advice };
}

/** The setting whose name, path or alias is nearest to a mistyped one. */
export function nearestSetting(word: string): Hint | null {
  const byName = new Map<string, string>();
  for (const { path, setting } of SETTING_LIST)
    for (const name of [path, path.split('.').at(-1) ?? path, ...setting.aliases]) if (!byName.has(name)) byName.set(name, path);
  // Short aliases (lr, eps) are near to everything.
  const name = suggest(
    plain(word),
    [...byName.keys()].filter((known) => known.length > 3),
  );
  const path = name === null ? undefined : byName.get(name);
  return path === undefined ? null : { path };
}

/** What to say of a name that no setting has. */
export function hintFor(word: string): Hint | null {
  return knownElsewhere(word) ?? nearestSetting(word);
}
