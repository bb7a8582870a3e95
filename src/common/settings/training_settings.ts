/** Rows for what is trained, on what, and how. How to add one: setting.ts. */
import { LIMITS } from '../limits.js';
import { choice, flag, names, real, RUNS, setting, text, whole } from './setting.js';

const DATA = [...RUNS, 'worker', 'evaluate', 'verify'] as const;

const IMAGES = [...RUNS, 'evaluate', 'verify', 'init'] as const;

export const DATA_SETTINGS = {
  model: setting(text('gluon_cnn, a path to model.json, or a path to a module'), 'gluon_cnn', {
    ...{ flag: '--model <model>', commands: [...RUNS, 'evaluate', 'verify', 'bench'], group: 'data', resume: 'fixed' },
    help: 'gluon_cnn, a model.json (tf.LayersModel), or a module exporting createModel(tf)',
    ...{ workers: false, library: false, aliases: ['net', 'network', 'arch', 'architecture', 'model_path', 'model_name'] },
  }),
  data: setting(text('mnist, idx, synthetic, or a path to a module or a file of data'), 'mnist', {
    ...{ flag: '--data <data>', commands: [...RUNS, 'evaluate', 'verify'], group: 'data', resume: 'fixed' },
    help: 'mnist, idx, synthetic, a module exporting train and validation sets, a file (.npz, .npy, .csv, .parquet) or a folder of pictures',
    ...{
      workers: false,
      library: false,
      aliases: ['dataset', 'dataset_name', 'train_data', 'data_path', 'dataset_path', 'train_file', 'path', 'dls', 'dataloaders'],
    },
  }),
  dataDir: setting(text('a folder'), null, {
    ...{ flag: '--data-dir <folder>', commands: [...RUNS, 'worker', 'evaluate', 'verify'], group: 'data', resume: 'kept' },
    help: 'folder with the IDX files, instead of downloading MNIST',
    ...{ workers: false, library: true, aliases: ['data_root', 'root', 'dataset_dir', 'data_folder'] },
  }),
  validationFile: setting(text('a file'), null, {
    ...{ flag: '--validation-file <file>', commands: DATA, group: 'data', resume: 'fixed' },
    help: 'file of the validation set, where --data is a file of one set',
    ...{
      workers: false,
      library: true,
      aliases: ['val_file', 'val_data', 'test_data', 'eval_data', 'validation_data', 'test_file'],
    },
  }),
  inputs: setting(names('a list of at most 1000 names, such as [height, width] or [user=age, item=price]'), null, {
    ...{ flag: '--inputs <names>', commands: [...RUNS, 'evaluate', 'verify'], group: 'data', resume: 'fixed' },
    help: 'what the model takes: arrays of an .npz file (x for x_train, x_test), columns of a table (default: all but the labels); input=column where the model has several',
    ...{ workers: true, library: true, aliases: ['columns', 'features', 'feature_columns', 'input_columns', 'x'] },
  }),
  labels: setting(names('a list of at most 1000 names, such as [price] or [kind=species, size=length]'), null, {
    ...{ flag: '--labels <names>', commands: [...RUNS, 'evaluate', 'verify'], group: 'data', resume: 'fixed' },
    help: 'what it shall answer: arrays of an .npz file, columns of a table; output=column where the model has several',
    ...{ workers: true, library: true, aliases: ['targets', 'label_column', 'target_column', 'y', 'labels_column'] },
  }),
  labelFile: setting(text('a CSV file'), null, {
    ...{ flag: '--label-file <csv>', commands: [...DATA, 'init'], group: 'data', resume: 'fixed' },
    help: 'CSV that names the pictures of the folder --data, in its order, with their labels (default: a folder for each class)',
    ...{ workers: false, library: true, aliases: ['labels_file', 'labels_csv', 'annotations', 'annotations_file'] },
  }),
  imageSize: setting(text('a size such as 224 or 224x320, height first', /^[1-9]\d{0,4}(x[1-9]\d{0,4})?$/), null, {
    ...{ flag: '--image-size <size>', commands: IMAGES, group: 'data', resume: 'fixed' },
    help: 'size that pictures are brought to, 224 or 224x320, height first (default: all have one size)',
    ...{ workers: true, library: true, aliases: ['img_size', 'target_size', 'input_size', 'resolution', 'imgsz'] },
  }),
  imageFit: setting(choice(['crop', 'stretch']), 'crop', {
    ...{ flag: '--image-fit <how>', commands: IMAGES, group: 'data', resume: 'fixed' },
    help: 'crop: the middle of a picture, as large as it goes; stretch: all of it',
    ...{ workers: true, library: true, aliases: ['crop_to_aspect_ratio', 'resize_mode', 'resizing'] },
  }),
  imageChannels: setting(choice(['rgb', 'gray']), 'rgb', {
    ...{ flag: '--image-channels <which>', commands: IMAGES, group: 'data', resume: 'fixed' },
    help: 'rgb or gray',
    ...{ workers: true, library: true, aliases: ['color_mode', 'colour_mode', 'channels', 'grayscale'] },
  }),
  imageDepth: setting(whole({ atLeast: 8, atMost: 16 }), 8, {
    ...{ flag: null, commands: [], group: 'data', resume: 'fixed' },
    help: 'bits of a value of a picture: 8, or 16 for PNG and TIFF files of 16',
    ...{ workers: true, library: true, aliases: ['bit_depth', 'bits'] },
  }),
  onBadFile: setting(choice(['stop', 'skip']), 'stop', {
    ...{ flag: '--on-bad-file <what>', commands: IMAGES, group: 'data', resume: 'fixed' },
    help: 'pictures that cannot be used: stop, or skip them',
    ...{ workers: true, library: true, aliases: ['skip_broken', 'ignore_errors', 'drop_corrupt'] },
  }),
  scale: setting(real({ above: 0 }), null, {
    ...{ flag: null, commands: [], group: 'data', resume: 'fixed' },
    help: 'the model sees the values of files times this (default: 1/255 for bytes, 1 for others)',
    ...{ workers: true, library: true, aliases: ['rescale', 'input_scale', 'normalize'] },
  }),
  dataMemory: setting(whole({ atLeast: 1 }), 1024, {
    ...{ flag: '--data-memory <MiB>', commands: DATA, group: 'data', resume: 'call' },
    help: 'inputs of files that take more than this stay there, and are read as they are needed',
    ...{ workers: false, library: true, aliases: ['cache_size', 'data_cache', 'in_memory'] },
  }),
  transpose: setting(flag, false, {
    ...{ flag: '--transpose', commands: [...RUNS, 'evaluate', 'verify'], group: 'data', resume: 'fixed' },
    help: 'idx: swap rows and columns of each picture, which lie so in the files of EMNIST',
    ...{ workers: true, library: true, aliases: ['swap_axes', 'transposed', 'transpose_images'] },
  }),
  loss: setting({ kind: 'loss', wanted: 'the name of a loss, such as softmax_cross_entropy or mean_squared_error' }, null, {
    ...{ flag: '--loss <name>', commands: [...RUNS, 'evaluate', 'verify', 'bench'], group: 'training', resume: 'fixed' },
    help: 'softmax_cross_entropy, mean_squared_error, huber, any of tfjs; docs/models.md (default: what fits model and labels)',
    ...{ workers: true, library: true, aliases: ['criterion', 'loss_fn', 'loss_function', 'objective'] },
  }),
  metrics: setting({ ...names('a list of metrics, such as [accuracy, top_5_accuracy]'), mayBeEmpty: true }, null, {
    ...{ flag: '--metrics <names>', commands: [...RUNS, 'evaluate'], group: 'training', resume: 'fixed' },
    help: 'accuracy, top_5_accuracy, precision, recall, auc, any loss (default: accuracy where there are classes)',
    ...{
      workers: true,
      library: true,
      aliases: ['metric', 'eval_metric', 'eval_metrics', 'validation_metric', 'weighted_metrics', 'metric_fns', 'top_k'],
    },
  }),
  lossWeights: setting(
    {
      kind: 'weights',
      wanted: 'a list of output=weight, such as [digits=1, parity=0.3], or of numbers in the order of the outputs',
    },
    [],
    {
      ...{ flag: '--loss-weights <list>', commands: [...RUNS, 'evaluate', 'verify'], group: 'training', resume: 'fixed' },
      help: 'output=weight, or numbers: by what the loss of each output counts, of a model of several',
      ...{ workers: true, library: true, aliases: ['loss_weight', 'loss_coefficients', 'task_weights'] },
    },
  ),
  trainLimit: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--train-limit <n>', commands: RUNS, group: 'data', resume: 'fixed' },
    help: 'train on the first n examples only',
    ...{ workers: true, library: true, aliases: ['max_train_samples', 'limit_train_batches', 'train_size', 'num_train_samples'] },
  }),
  validationLimit: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--validation-limit <n>', commands: [...RUNS, 'evaluate'], group: 'data', resume: 'fixed' },
    help: 'validate on the first n examples only',
    ...{
      workers: true,
      library: true,
      aliases: ['max_eval_samples', 'limit_val_batches', 'val_limit', 'val_size', 'validation_steps', 'validation_batches'],
    },
  }),
  overfit: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--overfit <n>', commands: RUNS, group: 'data', resume: 'fixed' },
    help: 'train and validate on the first n training examples: can the model learn them at all?',
    ...{ workers: true, library: true, aliases: ['overfit_batches', 'overfit_examples', 'overfit_one_batch'] },
  }),
} as const;

export const TRAINING_SETTINGS = {
  epochs: setting(whole({ atLeast: 0 }), 130, {
    ...{ flag: '--epochs <n>', commands: RUNS, group: 'training', resume: 'kept' },
    help: 'passes over the training set',
    ...{ workers: false, library: true, aliases: ['num_epochs', 'n_epochs', 'nb_epoch', 'max_epochs', 'num_train_epochs'] },
  }),
  maxSteps: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--max-steps <n>', commands: RUNS, group: 'training', resume: 'call' },
    help: 'stop after n steps in all',
    ...{ workers: false, library: true, aliases: ['steps', 'num_steps', 'total_steps', 'max_iter', 'max_iters', 'iterations'] },
  }),
  batch: setting(whole({ atLeast: 1 }), 200, {
    ...{ flag: '--batch <n>', commands: [...RUNS, 'evaluate', 'verify', 'bench'], group: 'training', resume: 'fixed' },
    help: 'examples a step, over all replicas together',
    ...{ workers: false, library: true },
    aliases: ['batch_size', 'global_batch', 'global_batch_size', 'train_batch_size', 'per_device_train_batch_size', 'bs'],
  }),
  shards: setting(whole({ atLeast: 1, atMost: LIMITS.maxShards }), null, {
    ...{ flag: '--shards <n>', commands: [...RUNS, 'evaluate', 'verify', 'bench'], group: 'training', resume: 'fixed' },
    help: 'pieces a batch is cut into; fixes the result (default: one per replica; none in a cluster)',
    ...{ workers: false, library: true, aliases: ['num_shards', 'n_shards'] },
  }),
  accumulate: setting(whole({ atLeast: 1, atMost: LIMITS.maxShards }), null, {
    ...{ flag: '--accumulate <n>', commands: RUNS, group: 'training', resume: 'fixed' },
    help: 'shards that each replica adds up in a step, so shards is n times the replicas: larger batches in the same memory',
    ...{ workers: false, library: true },
    aliases: [
      'gradient_accumulation_steps',
      'gradient_accumulation',
      'accumulate_grad_batches',
      'accumulation_steps',
      'grad_accum',
    ],
  }),
  batchNorm: setting(choice(['shard', 'fixed', 'synchronized']), 'shard', {
    ...{ flag: '--batch-norm <name>', commands: [...RUNS, 'verify'], group: 'training', resume: 'fixed' },
    help: 'shard: statistics of each shard; fixed: the moving ones, which then stay as they are',
    ...{ workers: true, library: true, aliases: ['sync_batchnorm', 'sync_batch_norm', 'sync_bn', 'bn', 'freeze_batch_norm'] },
  }),
  augment: setting({ kind: 'augmentations', wanted: 'a list such as [flip, { shift: 2 }, { rotate: 15 }]' }, [], {
    ...{ flag: '--augment <list>', commands: [...RUNS, 'verify'], group: 'training', resume: 'fixed' },
    help: 'change training examples at random: flip, shift 2, rotate 15, zoom 0.1, brightness 0.2, contrast 0.2, cutout 8, label_smoothing 0.1, mixup 0.2; docs/augmentation.md',
    ...{
      workers: true,
      library: true,
      aliases: ['augmentation', 'augmentations', 'data_augmentation', 'transforms', 'aug', 'item_tfms', 'batch_tfms'],
    },
  }),
  seed: setting(whole({ atLeast: 0 }), 1, {
    ...{ flag: '--seed <n>', commands: [...RUNS, 'verify'], group: 'training', resume: 'fixed' },
    help: 'decides initial weights, order and dropout masks',
    ...{ workers: true, library: true, aliases: ['random_seed', 'random_state', 'manual_seed', 'data_seed'] },
  }),
  shuffle: setting(flag, true, {
    ...{ flag: '--no-shuffle', commands: RUNS, group: 'training', resume: 'fixed' },
    help: 'take the training examples in their order, every epoch alike',
    ...{ workers: false, library: true, aliases: ['shuffle_data', 'shuffle_train'] },
  }),
  shuffleBuffer: setting(whole({ atLeast: 1, atMost: 100_000_000 }), null, {
    ...{ flag: '--shuffle-buffer <n>', commands: RUNS, group: 'training', resume: 'fixed' },
    help: 'of data that are a sequence: examples among which the next one is drawn (default: 10,000, or as many as 256 MiB hold)',
    ...{ workers: false, library: true, aliases: ['buffer_size', 'shuffle_buffer_size', 'shuffle_size'] },
  }),
  fastDevRun: setting(flag, false, {
    ...{ flag: '--fast-dev-run', commands: RUNS, group: 'training', resume: 'fixed' },
    help: 'two steps and an evaluation of as many examples, to see that all of it works; nothing is kept',
    ...{ workers: false, library: true, aliases: ['dry_run', 'smoke_test', 'sanity_check', 'dev_run'] },
  }),
} as const;

/** What a result is measured against. */
export const GOAL_SETTINGS = {
  monitor: setting(text('the name of a value, such as val_acc or val_loss'), null, {
    ...{ flag: '--monitor <value>', commands: [...RUNS, 'evaluate'], group: 'training', resume: 'kept' },
    help: 'which value says what is best (default: val_acc where there is one, else val_loss)',
    ...{ workers: false, library: true, aliases: ['metric_for_best_model', 'best_metric', 'monitor_metric'] },
  }),
  saveAbove: setting(real({}), null, {
    ...{ flag: '--save-above <value>', commands: RUNS, group: 'saving', resume: 'kept' },
    help: 'save the model when the monitored value is this or better and the best so far',
    ...{ workers: false, library: true, aliases: ['save_best', 'save_best_only', 'save_threshold'] },
  }),
  target: setting(real({}), null, {
    ...{ flag: '--target <value>', commands: [...RUNS, 'evaluate'], group: 'training', resume: 'kept' },
    help: 'exit with code 8 if the monitored value never reaches it',
    ...{ workers: false, library: false, aliases: ['target_accuracy', 'baseline', 'stop_at'] },
  }),
} as const;
