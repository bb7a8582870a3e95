/**
 * Owns: what is measured: the tasks, and every configuration of every system tried in each. Pure.
 * Does not: run it (main.mjs), or choose among configurations (choose.mjs).
 *
 * An entry is one program: { task, system, label, program, args, env }. `program` is ours, torch, torchrun, tf or mxnet.
 */

/** glibc keeps freed memory instead of giving it back page by page; what jemalloc and tcmalloc do, and tuning guides advise. */
const KEEP_MEMORY = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: '100000000000', MALLOC_TOP_PAD_: '268435456' };

/** Timed and untimed steps, global batch, and what our `bench` is told. */
const MODELS = {
  gluon_cnn: { steps: [32, 8], batch: 200, ours: ['--model', 'gluon_cnn', '--input-shape', '28,28,1'] },
  resnet: { steps: [24, 8], batch: 200, ours: ['--model', 'scripts/bench/models/resnet.mjs', '--input-shape', '32,32,3'] },
  mlp: { steps: [150, 60], batch: 200, ours: ['--model', 'scripts/bench/models/mlp.mjs', '--input-shape', '784'] },
  table: { steps: [2000, 300], batch: 32, ours: ['--model', 'scripts/bench/models/table.mjs', '--input-shape', '32'] },
  transformer: { steps: [12, 4], batch: 32, ours: ['--model', 'scripts/bench/models/transformer.mjs', '--input-shape', '64,48'] },
  resnet50: {
    steps: [12, 4],
    batch: 32,
    ours: ['--model', 'scripts/bench/models/resnet50.mjs', '--input-shape', '64,64,3', '--classes', '1000'],
  },
};

/**
 * The comparisons, in the order of the report. `workers`: how the cores are used: as each system likes, by one process that has them all, or by one
 * replica for each.
 */
export const TASKS = [
  {
    id: 'cnn_fp32',
    model: 'gluon_cnn',
    precision: 'fp32',
    workers: 'any',
    title: 'Reference CNN, fp32, all cores',
  },
  { id: 'cnn_bf16', model: 'gluon_cnn', precision: 'bf16', workers: 'any', title: 'Reference CNN, bf16, all cores' },
  {
    id: 'cnn_parallel',
    model: 'gluon_cnn',
    precision: 'fp32',
    workers: 'many',
    title: 'Reference CNN, fp32, one replica per core',
  },
  { id: 'resnet_fp32', model: 'resnet', precision: 'fp32', workers: 'any', title: 'Small ResNet, fp32, all cores' },
  { id: 'resnet_bf16', model: 'resnet', precision: 'bf16', workers: 'any', title: 'Small ResNet, bf16, all cores' },
  { id: 'mlp_fp32', model: 'mlp', precision: 'fp32', workers: 'any', title: 'MLP, fp32, all cores' },
  { id: 'mlp_bf16', model: 'mlp', precision: 'bf16', workers: 'any', title: 'MLP, bf16, all cores' },
  {
    id: 'table_fp32',
    model: 'table',
    precision: 'fp32',
    workers: 'one',
    title: 'Network for a table, 4,522 weights, batch 32, fp32, one replica',
  },
  ...[
    ['transformer', 'Transformer encoder, 10.7 M weights, batch 32'],
    ['resnet50', 'ResNet-50, 64×64×3, 25.6 M weights, batch 32'],
  ].flatMap(([model, name]) => [
    { id: model, model, precision: 'fp32', workers: 'one', title: `${name}, fp32, one replica` },
    {
      id: `${model}_parallel`,
      model,
      precision: 'fp32',
      workers: 'many',
      title: `${name}, fp32, one replica per core`,
    },
  ]),
];

/** Our wanted ratios to the best peer, by the widest of a processor's instructions that count. */
const TARGETS = {
  cnn_fp32: { avx2: 1.25, avx512: 1.4, amx: 1.4 },
  cnn_bf16: { avx512: 1.35, amx: 1.6 },
  cnn_parallel: { avx2: 1.4, avx512: 1.4, amx: 1.4 },
  resnet_fp32: { avx2: 1.25, avx512: 1.25, amx: 1.25 },
  mlp_fp32: { avx2: 1, avx512: 1, amx: 1 },
  mlp_bf16: { avx512: 0.8, amx: 0.8 },
};

/** Null where none was set. */
export function targetOf(task, { instructions, heldTo }) {
  const has = (instruction) => heldTo === null && instructions.includes(instruction);
  const widest = has('amx_bf16') ? 'amx' : has('avx512f') ? 'avx512' : 'avx2';
  return TARGETS[task]?.[widest] ?? null;
}

/** Models that our --execution xla is for. */
const DENSE = new Set(['mlp', 'table']);

/** Models whose steps are too small to divide: one thread is tried too, and several steps in one call where a peer has that. */
const SMALL = new Set(['table']);

/** Models that scripts/peers/tf_models.py has. */
const IN_TENSORFLOW = new Set(['gluon_cnn', 'resnet', 'mlp', 'table']);

/**
 * All entries of one task on `threads` cores. `anyVendorMkl`: path of the library that lets MKL use its best kernels on AMD, or null.
 * One replica per core holds PyTorch to DDP and MXNet to its contexts.
 */
export function entriesOf(task, { threads, anyVendorMkl }) {
  const { steps: timed, batch, ours: modelOfOurs } = MODELS[task.model];
  const [steps, warmup] = timed;
  const common = [
    ...['--model', task.model, '--precision', task.precision, '--batch', `${batch}`],
    ...['--steps', `${steps}`, '--warmup', `${warmup}`],
  ];
  const tuned = { ...KEEP_MEMORY, ...(anyVendorMkl && { LD_PRELOAD: anyVendorMkl }) };
  const entries = [];
  const add = (system, label, program, args, env = {}) => entries.push({ task: task.id, system, label, program, args, env });

  const ours = (replicas, perReplica, label, env, flags = []) =>
    add(
      'tfjs-parallel',
      label,
      'ours',
      [
        ...['bench', ...modelOfOurs, '--gpus', 'none', '--batch', `${batch}`],
        ...['--workers', `${replicas}`, '--threads-per-worker', `${perReplica}`, '--precision', task.precision],
        ...['--steps', `${steps}`, '--warmup-steps', `${warmup}`, '--reporter', 'json', ...flags],
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

  const many = threads > 1 && task.workers !== 'one';
  const one = task.workers !== 'many';
  if (one) ours(1, threads, `1 × ${threads}`);
  if (one) ours(1, threads, `1 × ${threads}, memory kept`, KEEP_MEMORY);
  if (many) ours(threads, 1, `${threads} × 1, exact`);
  if (many) ours(threads, 1, `${threads} × 1, exact, memory kept`, KEEP_MEMORY);

  if (DENSE.has(task.model) && task.precision === 'fp32') {
    if (one) ours(1, threads, `1 × ${threads}, XLA`, {}, ['--execution', 'xla']);
    if (many) ours(threads, 1, `${threads} × 1, exact, XLA`, {}, ['--execution', 'xla']);
  }

  const layout = ['mlp', 'table', 'transformer'].includes(task.model) ? [] : ['--channels-last'];
  if (one) {
    torch(`1 × ${threads}`, layout);
    torch(`1 × ${threads}, tuned`, layout, tuned);
    torch(`1 × ${threads}, tuned, fused SGD`, [...layout, '--fused'], tuned);
    torch(`1 × ${threads}, tuned, torch.compile`, [...layout, '--compile'], tuned);
    if (layout.length) torch(`1 × ${threads}, tuned, NCHW`, [], tuned);
  }
  if (many) torchrun(`DDP ${threads} × 1`, layout, {});
  if (many) torchrun(`DDP ${threads} × 1, tuned`, layout, tuned);

  if (one && IN_TENSORFLOW.has(task.model)) {
    tf('tf.function', []);
    tf('tf.function, memory kept', [], KEEP_MEMORY);
    tf('tf.function, memory kept, plain SGD', ['--plain-sgd'], KEEP_MEMORY);
    if (task.precision === 'bf16') tf('tf.function, Keras bf16 policy', ['--keras-policy'], KEEP_MEMORY);
    // Two seconds a step on the CNN: a few steps are enough to see that.
    const few = SMALL.has(task.model) ? [] : ['--steps', '3', '--warmup', '2'];
    tf('XLA', ['--jit', ...few], KEEP_MEMORY);
  }
  if (SMALL.has(task.model)) {
    const alone = ['--threads', '1'];
    ours(1, 1, '1 × 1');
    ours(1, 1, '1 × 1, XLA', {}, ['--execution', 'xla']);
    torch('1 × 1, tuned', alone, tuned);
    torch('1 × 1, tuned, fused SGD', [...alone, '--fused'], tuned);
    torch('1 × 1, tuned, torch.compile', [...alone, '--compile'], tuned);
    for (const [name, jit] of [
      ['tf.function', []],
      ['XLA', ['--jit']],
    ]) {
      tf(`${name}, one thread`, [...alone, ...jit, '--plain-sgd'], KEEP_MEMORY);
      tf(
        `${name}, one thread, 128 steps in one call`,
        [...alone, ...jit, '--plain-sgd', '--together', '--steps', '100', '--warmup', '20'],
        KEEP_MEMORY,
      );
    }
  }
  if (task.model === 'gluon_cnn') {
    if (one) mxnet(`1 × ${threads}`, 1, threads);
    if (one) mxnet(`1 × ${threads}, memory kept`, 1, threads, KEEP_MEMORY);
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

/**
 * What holds a library to AVX2 on a processor that has more: oneDNN (PyTorch's and TensorFlow's; MXNet's by its older name), MKL, PyTorch's own
 * kernels, XLA. Eigen's kernels in TensorFlow are compiled for one level and need nothing.
 */
export const ISA_ENVIRONMENT = {
  avx2: {
    ONEDNN_MAX_CPU_ISA: 'AVX2',
    DNNL_MAX_CPU_ISA: 'AVX2',
    MKL_ENABLE_INSTRUCTIONS: 'AVX2',
    ATEN_CPU_CAPABILITY: 'avx2',
    XLA_FLAGS: '--xla_cpu_max_isa=AVX2',
  },
};
