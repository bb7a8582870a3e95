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
    ...['validation_split', 'val_split', 'test_split', 'test_size', 'val_fraction', 'valid_pct', 'validation_fraction'],
  ],
  [
    '-v on the command line, or onProgress and observer in the library',
    ...['verbose', 'verbosity', 'verbose_level', 'log_level', 'progress_bar', 'enable_progress_bar', 'disable_tqdm'],
  ],
  [
    'a run goes on with --resume RUN, resume in the library',
    ...['resume', 'resume_from_checkpoint', 'resume_from', 'resume_path', 'ckpt_path', 'restore', 'continue'],
    ...['initial_epoch', 'start_epoch', 'begin_epoch', 'load_epoch', 'ignore_data_skip'],
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
    ...['kvstore', 'ddp_backend', 'use_distributed_sampler'],
  ],
  ['equal settings give equal bits, always', 'deterministic', 'use_deterministic_algorithms', 'deterministic_ops', 'benchmark'],
  [
    'each epoch ends with a validation',
    ...['eval_steps', 'eval_every', 'eval_interval', 'eval_freq', 'evaluation_strategy', 'eval_strategy', 'validation_freq'],
    ...['val_check_interval', 'check_val_every_n_epoch', 'do_eval', 'val_interval', 'num_sanity_val_steps'],
  ],
  [
    'a warm-up is told in epochs, fractions allowed: optimizer.schedule.warmup_epochs',
    ...['warmup_steps', 'num_warmup_steps', 'warmup_ratio', 'warmup_iters', 'warmup_updates', 'pct_start'],
  ],
  [
    'a run is followed with --dashboard, and its folder has metrics.jsonl and, by --report, files for TensorBoard',
    ...['wandb', 'use_wandb', 'wandb_project', 'mlflow', 'comet', 'neptune', 'clearml'],
  ],
  [
    'that is a layer of the model, or a part of one',
    ...['dropout', 'drop_rate', 'dropout_rate', 'drop_path', 'hidden_size', 'hidden_dim', 'num_layers', 'activation'],
    ...['initializer', 'kernel_initializer', 'input_shape', 'freeze', 'freeze_epochs', 'trainable'],
  ],
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
    ...['pin_memory', 'persistent_workers', 'prefetch_factor', 'num_parallel_calls', 'use_multiprocessing', 'max_queue_size'],
    ...['dataloader_num_workers', 'dataloader_pin_memory'],
  ],
  [
    'callbacks are an option of the library: train({ callbacks }), fit(model, x, y, { callbacks })',
    ...['callbacks', 'cbs', 'plugins', 'batch_end_callback', 'epoch_end_callback', 'yield_every'],
  ],
  [
    'an epoch is all of the data, or the first train_limit examples of it; fitDataset() in the library takes batchesPerEpoch',
    ...['steps_per_epoch', 'batches_per_epoch', 'num_examples', 'epoch_size'],
  ],
  [
    'batch is of a step, all replicas together, and validation takes as many; accumulate says in how many pieces a replica computes them',
    ...['per_device_eval_batch_size', 'eval_batch_size', 'validation_batch_size', 'val_batch_size', 'micro_batch_size'],
    ...['per_gpu_train_batch_size', 'eval_accumulation_steps'],
  ],
  [
    'neither is searched for: optimizer.learning_rate and batch say them',
    ...['auto_lr_find', 'lr_find', 'auto_scale_batch_size', 'auto_find_batch_size'],
  ],
  [
    'each run has a folder of its own, in which checkpoints/best and checkpoints/last are always kept',
    ...['save_last', 'enable_checkpointing', 'overwrite_output_dir', 'model_prefix', 'save_weights_only', 'save_safetensors'],
  ],
  [
    'a gradient is clipped by the norm of all of it: optimizer.clip_norm',
    ...['clipvalue', 'clip_value', 'gradient_clip_algorithm'],
  ],
  ['of Adam there are adam, adamw and adamax', 'amsgrad', 'use_amsgrad'],
  [
    'the numbers of an optimizer and of its schedule are settings of their own: optimizer.momentum, optimizer.schedule.decay',
    ...['optimizer_params', 'optimizer_kwargs', 'optim_args', 'lr_scheduler_kwargs'],
  ],
  [
    'the rate goes by optimizer.schedule: constant, step or cosine, each with a warm-up; by a function in the library: learningRate',
    ...['t_max', 'one_cycle', 'onecycle', 'div_final', 'div_factor', 'cycle_momentum'],
  ],
  ['augment has it: --augment "label_smoothing 0.1"', 'label_smoothing_factor', 'label_smoothing', 'smoothing'],
  ['augment has it: --augment "mixup 0.2"', 'mixup', 'mixup_alpha'],
  ['the name of the monitored value says which way it is better', 'mode', 'greater_is_better', 'monitor_mode'],
  ['a step that is not finite is not applied, and ends the run by name', 'detect_anomaly', 'terminate_on_nan', 'nan_check'],
  ['gradients are summed over all examples, and divided once by the batch', 'rescale_grad', 'auto_scale_loss', 'loss_scale'],
  [
    'a run ends after epochs or max_steps; whoever stops it by SIGINT or SIGTERM goes on with --resume RUN',
    ...['max_time', 'max_hours', 'time_limit', 'max_train_time'],
  ],
  [
    'accumulate takes less memory: the pieces of a batch one after the other',
    ...['gradient_checkpointing', 'activation_checkpointing', 'grad_checkpointing'],
  ],
  ['--gpus none computes on the processor', 'use_cpu', 'no_cuda', 'cpu', 'cpu_only'],
  ['`tfjs-parallel why RUN` says where the time of its steps went', 'profiler', 'profile', 'profiling'],
  [
    'that is a command: `tfjs-parallel train`, or `tfjs-parallel evaluate MODEL`',
    ...['do_train', 'train_only', 'evaluate', 'evaluate_only', 'eval_only', 'test_only', 'do_predict'],
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
  const words = /[a-z]/.test(name) ? toSnakeCase(name) : name.toLowerCase();
  return words.replaceAll('-', '_').replace(/^_/, '').replace(/_+/g, '_');
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
