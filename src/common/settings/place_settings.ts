/** Rows for where a run computes, what it keeps and what it says. How to add one: setting.ts. */
import { LIMITS } from '../limits.js';
import { choice, flag, fraction, RUNS, setting, text, whole, type CommandName } from './setting.js';

const ON_THIS_MACHINE = ['train', 'worker', 'evaluate', 'verify', 'bench'] as const satisfies readonly CommandName[];
const COMPUTE = [...RUNS, 'evaluate', 'verify', 'bench'] as const satisfies readonly CommandName[];

export const DEVICE_SETTINGS = {
  gpus: setting({ kind: 'devices', wanted: 'indices such as 0,1 or 0-3, all or none' }, null, {
    ...{ flag: '--gpus <list>', commands: ON_THIS_MACHINE, group: 'devices', resume: 'call' },
    help: '0,1 or 0-3 or all or none (default: all, or the CPU where there is none)',
    ...{ workers: false, library: true, aliases: ['devices', 'device', 'gpu', 'gpu_ids', 'num_gpus', 'cuda', 'ctx', 'context'] },
  }),
  workers: setting(whole({ atLeast: 1, atMost: LIMITS.maxShards }), null, {
    ...{ flag: '--workers <n>', commands: ON_THIS_MACHINE, group: 'devices', resume: 'call' },
    help: 'replicas on the CPU',
    ...{
      workers: false,
      library: true,
      aliases: ['num_workers', 'n_workers', 'replicas', 'num_replicas', 'nproc', 'world_size'],
    },
  }),
  threadsPerWorker: setting(whole({ atLeast: 1, atMost: 1024 }), null, {
    ...{ flag: '--threads-per-worker <n>', commands: ON_THIS_MACHINE, group: 'devices', resume: 'kept' },
    help: 'CPU threads per replica (default: cores / replicas, fewer for a model that keeps fewer busy)',
    ...{ workers: true, library: true, aliases: ['threads', 'num_threads', 'intra_op_threads', 'omp_num_threads'] },
  }),
  precision: setting(choice(['fp32', 'bf16']), 'fp32', {
    ...{ flag: '--precision <name>', commands: COMPUTE, group: 'devices', resume: 'fixed' },
    help: 'fp32 or bf16',
    ...{ workers: true, library: true, aliases: ['dtype', 'mixed_precision', 'bf16', 'fp16', 'tf32', 'amp'] },
  }),
  compile: setting(flag, true, {
    ...{ flag: '--no-compile', commands: COMPUTE, group: 'devices', resume: 'kept' },
    help: 'run operation by operation instead of one graph function a step',
    ...{ workers: true, library: true, aliases: ['jit', 'jit_compile', 'eager', 'run_eagerly', 'torch_compile'] },
  }),
  execution: setting(choice(['graph', 'xla', 'auto']), 'graph', {
    ...{ flag: '--execution <name>', commands: [...RUNS, 'verify', 'bench'], group: 'devices', resume: 'kept' },
    help: "graph (TensorFlow's kernels), xla (one program for the processor: dense models), or auto: xla for dense models in fp32 by several threads a replica, of many weights with AMX alone",
    ...{ workers: true, library: true, aliases: ['xla', 'use_xla', 'compile_mode', 'execution_mode'] },
  }),
  audit: setting(fraction, 0, {
    ...{ flag: '--audit <share>', commands: RUNS, group: 'devices', resume: 'kept' },
    help: 'compute this share of the shards twice, on two machines (or devices), and compare every bit: finds broken hardware and liars; costs as much',
    ...{ workers: false, library: true, aliases: ['verify_shards', 'redundancy', 'check_share'] },
  }),
} as const;

const NAME = 'letters, digits, dots, dashes and underscores, in quotes where it is a number';

export const SAVING_SETTINGS = {
  runDir: setting(text('a folder'), 'runs', {
    ...{ flag: '--run-dir <folder>', commands: RUNS, group: 'saving', resume: 'call' },
    help: 'where run folders go',
    ...{
      workers: false,
      library: true,
      aliases: [
        'output_dir',
        'out_dir',
        'save_dir',
        'log_dir',
        'default_root_dir',
        'checkpoint_dir',
        'ckpt_dir',
        'work_dir',
        'logging_dir',
      ],
    },
  }),
  name: setting(text(NAME, /^[A-Za-z0-9][A-Za-z0-9._-]*$/), null, {
    ...{ flag: '--name <name>', commands: RUNS, group: 'saving', resume: 'call' },
    help: "the run's name (default: <config, model or data>-001, ...)",
    ...{ workers: false, library: true, aliases: ['run_name', 'experiment', 'experiment_name', 'exp_name', 'project', 'run_id'] },
  }),
  keep: setting(whole({ atLeast: 1 }), 3, {
    ...{ flag: '--keep <n>', commands: RUNS, group: 'saving', resume: 'kept' },
    help: 'states kept to resume from',
    ...{ workers: false, library: true, aliases: ['save_total_limit', 'max_to_keep', 'save_top_k'] },
  }),
  stateEvery: setting(text('epoch, a time such as 60s, or 500 steps'), 'epoch,60s', {
    ...{ flag: '--state-every <when>', commands: RUNS, group: 'saving', resume: 'kept' },
    help: 'when a state is saved: epoch, 60s, "500 steps", or several joined by commas',
    ...{
      workers: false,
      library: true,
      aliases: [
        'save_steps',
        'save_freq',
        'save_every',
        'checkpoint_frequency',
        'save_interval',
        'save_strategy',
        'every_n_epochs',
      ],
    },
    formerly: 'checkpoint_every',
  }),
  onSaveFailure: setting(choice(['continue', 'stop']), 'continue', {
    ...{ flag: '--on-save-failure <what>', commands: RUNS, group: 'saving', resume: 'kept' },
    help: 'when a state or a model cannot be written: continue or stop',
    ...{ workers: false, library: true, aliases: [] },
    formerly: 'on_checkpoint_failure',
  }),
} as const;

/** In src/report/reporters.ts a row each. */
export const REPORTER_NAMES = ['text', 'json'] as const;
export type ReporterName = (typeof REPORTER_NAMES)[number];
const REPORTERS = {
  kind: 'names',
  known: REPORTER_NAMES,
  wanted: `${REPORTER_NAMES.join(', ')}, or several joined by commas`,
} as const;

/** Files of the run's folder, in src/report/files. */
const REPORT_NAMES = ['csv', 'page', 'tensorboard', 'none'] as const;
export type ReportName = (typeof REPORT_NAMES)[number];
const REPORT = {
  kind: 'names',
  known: REPORT_NAMES,
  wanted: `${REPORT_NAMES.join(', ')}, or several joined by commas`,
} as const;

export const OUTPUT_SETTINGS = {
  report: setting(REPORT, ['csv', 'page', 'tensorboard'], {
    ...{ flag: '--report <names>', commands: RUNS, group: 'output', resume: 'call' },
    help: "files of the run's folder: csv (results.csv), page (report.html, results.svg), tensorboard; or none",
    ...{ workers: false, library: true, aliases: ['tensorboard', 'csv_logger', 'html_report'] },
  }),
  reporter: setting(REPORTERS, ['text'], {
    ...{ flag: '--reporter <names>', commands: COMPUTE, group: 'output', resume: 'call' },
    help: 'text; json: one record a line; or both, joined by a comma: json then owns standard output',
    ...{ workers: false, library: false, aliases: ['report_to', 'logger', 'format', 'output_format', 'json'] },
  }),
  histograms: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--histograms <epochs>', commands: RUNS, group: 'output', resume: 'call' },
    help: 'tell TensorBoard how each weight is distributed, every so many epochs (null: never)',
    ...{ workers: false, library: true, aliases: ['histogram_freq', 'weight_histograms', 'log_weights'] },
  }),
  dashboard: setting(text('host:port, or auto'), null, {
    ...{ flag: '--dashboard [host:port]', bare: 'auto', commands: RUNS, group: 'output', resume: 'call' },
    help: 'a live page, here on this machine alone unless told (auto: port 29580, or a free one where that is in use)',
    ...{ workers: false, library: true, aliases: ['web_ui', 'live_page', 'live_plot', 'ui', 'monitor_port'] },
  }),
  gradientNorm: setting(flag, false, {
    ...{ flag: '--gradient-norm', commands: RUNS, group: 'output', resume: 'call' },
    help: 'report the norm of each gradient also where it is not clipped',
    ...{ workers: false, library: true, aliases: ['track_grad_norm', 'log_grad_norm', 'grad_norm'] },
  }),
  logEvery: setting(whole({ atLeast: 1 }), null, {
    ...{ flag: '--log-every <n>', commands: RUNS, group: 'output', resume: 'call' },
    help: 'report every n steps',
    ...{
      workers: false,
      library: false,
      aliases: [
        'logging_steps',
        'logging_strategy',
        'log_interval',
        'log_every_n_steps',
        'print_freq',
        'log_freq',
        'disp_batches',
      ],
    },
  }),
} as const;
