/**
 * Owns: what is measured: the tasks, and every configuration of every system tried in each. Pure.
 * Does not: run it (main.mjs), or choose among configurations (choose.mjs).
 *
 * An entry is one program: { task, system, label, program, args, env }. `program` is ours, torch, torchrun, tf or mxnet.
 */

/** glibc keeps freed memory instead of giving it back page by page; what jemalloc and tcmalloc do, and tuning guides advise. */
const KEEP_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '100000000000', MALLOC_TOP_PAD_: '268435456' };

const TIMED_STEPS = { gluon_cnn: [32, 8], resnet: [24, 8], mlp: [150, 60] };
const OUR_MODELS = {
  gluon_cnn: { model: 'gluon_cnn', shape: '28,28,1' },
  resnet: { model: 'scripts/bench/models/resnet.mjs', shape: '32,32,3' },
  mlp: { model: 'scripts/bench/models/mlp.mjs', shape: '784' },
};

/** The comparisons, in the order of the report. `target`: our wanted ratio to the best peer; null: none was set. */
export const TASKS = [
  {
    id: 'cnn_fp32',
    model: 'gluon_cnn',
    precision: 'fp32',
    workers: 'any',
    title: 'Reference CNN, fp32, all cores',
    target: 1.25,
  },
  { id: 'cnn_bf16', model: 'gluon_cnn', precision: 'bf16', workers: 'any', title: 'Reference CNN, bf16, all cores', target: 1.6 },
  {
    id: 'cnn_parallel',
    model: 'gluon_cnn',
    precision: 'fp32',
    workers: 'many',
    title: 'Reference CNN, fp32, one replica per core',
    target: 1.3,
  },
  { id: 'resnet_fp32', model: 'resnet', precision: 'fp32', workers: 'any', title: 'Small ResNet, fp32, all cores', target: null },
  { id: 'resnet_bf16', model: 'resnet', precision: 'bf16', workers: 'any', title: 'Small ResNet, bf16, all cores', target: null },
  { id: 'mlp_fp32', model: 'mlp', precision: 'fp32', workers: 'any', title: 'MLP, fp32, all cores', target: null },
  { id: 'mlp_bf16', model: 'mlp', precision: 'bf16', workers: 'any', title: 'MLP, bf16, all cores', target: null },
];

/**
 * All entries of one task on `threads` cores. `anyVendorMkl`: path of the library that lets MKL use its best kernels on AMD, or null.
 * Task cnn_parallel holds PyTorch to DDP and MXNet to its contexts; the others let each system use its cores as it likes.
 */
export function entriesOf(task, { threads, anyVendorMkl }) {
  const [steps, warmup] = TIMED_STEPS[task.model];
  const common = ['--model', task.model, '--precision', task.precision, '--steps', `${steps}`, '--warmup', `${warmup}`];
  const tuned = { ...KEEP_MEMORY, ...(anyVendorMkl && { LD_PRELOAD: anyVendorMkl }) };
  const entries = [];
  const add = (system, label, program, args, env = {}) => entries.push({ task: task.id, system, label, program, args, env });

  const ours = (replicas, perReplica, label, env) =>
    add(
      'tfjs-parallel',
      label,
      'ours',
      [
        ...['bench', '--model', OUR_MODELS[task.model].model, '--input-shape', OUR_MODELS[task.model].shape, '--gpus', 'none'],
        ...['--workers', `${replicas}`, '--threads-per-worker', `${perReplica}`, '--precision', task.precision, '--batch', '200'],
        ...['--steps', `${steps}`, '--warmup-steps', `${warmup}`, '--reporter', 'json'],
      ],
      env,
    );
  const torchrun = (label, args, env) => add('PyTorch', label, 'torchrun', ['--threads', '1', ...common, ...args], env);
  const torch = (label, args, env) => add('PyTorch', label, 'torch', ['--threads', `${threads}`, ...common, ...args], env);
  const tf = (label, args, env) => add('TensorFlow', label, 'tf', ['--threads', `${threads}`, ...common, ...args], env);
  const mxnet = (label, contexts, perContext, env = {}) =>
    add('MXNet', label, 'mxnet', ['--threads', `${perContext}`, '--contexts', `${contexts}`, ...common], {
      ...env,
      OMP_NUM_THREADS: `${perContext}`,
    });

  const many = threads > 1;
  if (task.workers === 'any') ours(1, threads, `1 × ${threads}`);
  if (task.workers === 'any') ours(1, threads, `1 × ${threads}, memory kept`, KEEP_MEMORY);
  if (many) ours(threads, 1, `${threads} × 1, exact`);
  if (many) ours(threads, 1, `${threads} × 1, exact, memory kept`, KEEP_MEMORY);

  const layout = task.model === 'mlp' ? [] : ['--channels-last'];
  if (task.workers === 'any') {
    torch(`1 × ${threads}`, layout);
    torch(`1 × ${threads}, tuned`, layout, tuned);
    torch(`1 × ${threads}, tuned, fused SGD`, [...layout, '--fused'], tuned);
    torch(`1 × ${threads}, tuned, torch.compile`, [...layout, '--compile'], tuned);
    if (layout.length) torch(`1 × ${threads}, tuned, NCHW`, [], tuned);
  }
  if (many) torchrun(`DDP ${threads} × 1`, layout, {});
  if (many) torchrun(`DDP ${threads} × 1, tuned`, layout, tuned);

  if (task.workers === 'any') {
    tf('tf.function', []);
    tf('tf.function, memory kept', [], KEEP_MEMORY);
    tf('tf.function, memory kept, plain SGD', ['--plain-sgd'], KEEP_MEMORY);
    if (task.precision === 'bf16') tf('tf.function, Keras bf16 policy', ['--keras-policy'], KEEP_MEMORY);
    // Two seconds a step on the CNN: a few steps are enough to see that.
    tf('XLA', ['--jit', '--steps', '3', '--warmup', '2'], KEEP_MEMORY);
  }
  if (task.model === 'gluon_cnn') {
    if (task.workers === 'any') mxnet(`1 × ${threads}`, 1, threads);
    if (task.workers === 'any') mxnet(`1 × ${threads}, memory kept`, 1, threads, KEEP_MEMORY);
    if (many) mxnet(`${threads} contexts × 1`, threads, 1);
  }
  return entries;
}

/** Limits and exchange, measured once per repeat beside the tasks. */
export function sideEntries({ threads, anyVendorMkl }) {
  const env = anyVendorMkl ? { LD_PRELOAD: anyVendorMkl } : {};
  const side = [
    { task: 'limits', system: 'matrix product', label: `2048³, ${threads} threads`, program: 'gemm', args: [`${threads}`], env },
  ];
  if (threads > 1)
    side.push({ task: 'limits', system: 'gloo', label: `all-reduce, ${threads} processes`, program: 'gloo', args: [], env: {} });
  return side;
}
