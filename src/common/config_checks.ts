/**
 * Owns: what the schema cannot say: settings that contradict each other (errors) or that do nothing beside each other (warnings).
 * Does not: check single values (src/common/settings/schema.ts), or know the machine (src/api/train.ts).
 */
import { parseStateEvery } from './state_every.js';
import { chooseDevices, replicasOf } from './device_choice.js';
import { OPTIMIZERS } from '../optimizers/table.js';
import { OPTIMIZER_SETTINGS, type OptimizerSettings } from '../optimizers/settings.js';
import { UsageError } from './errors.js';
import { LIMITS } from './limits.js';
import { toSnakeCase } from './snake_case.js';
import type { TrainConfig } from './train_config.js';

/** Dotted snake_case path of a setting → where its value came from; `default` where nobody gave it. */
export type Provenance = Record<string, string>;

/** Machines that round differently differ honestly: nothing could be compared. @throws UsageError AUDIT_CONFLICT */
export function requireAuditable({ audit }: Pick<TrainConfig, 'audit'>, numericsCheck: 'strict' | 'relaxed'): void {
  if (audit === 0 || numericsCheck === 'strict') return;
  throw new UsageError({
    code: 'AUDIT_CONFLICT',
    message: `audit is ${audit}, and --numerics relaxed lets workers round differently: answers could not be compared bit for bit`,
    next: 'Leave out one of the two.',
  });
}

/** Checks a whole configuration. Returns warnings, one sentence each. @throws UsageError */
export function checkConfig(config: TrainConfig, provenance: Provenance): string[] {
  parseStateEvery(config.stateEvery);
  const replicas = replicasOf(chooseDevices(config));
  const shards = config.shards ?? (replicas === null ? null : replicas * (config.accumulate ?? 1));
  if (shards !== null) requireBatchCoversShards({ batch: config.batch, shards });
  requireAccumulateDivides(config);
  refuseSynchronized(config);
  requireExecutable(config);
  requireOneOfLimits(config);
  if (config.data === 'idx' && config.dataDir === null) {
    throw new UsageError({
      code: 'DATA_DIR_MISSING',
      message: 'data is idx, and no data_dir says where its files are',
      next: 'add --data-dir FOLDER, the folder with its files',
    });
  }
  requireScheduleMakesSense(config);
  if (config.optimizer.name === 'sgd' && config.optimizer.nesterov && config.optimizer.momentum === 0) {
    throw new UsageError({
      code: 'OPTIMIZER_CONFLICT',
      message: 'optimizer.nesterov is true and optimizer.momentum is 0: Nesterov looks ahead along the momentum',
      next: 'set optimizer.momentum (0.9 is usual), or optimizer.nesterov to false',
    });
  }
  if (config.optimizer.emaFor.length > 0 && config.optimizer.emaDecay === null) {
    throw new UsageError({
      code: 'OPTIMIZER_CONFLICT',
      message: `optimizer.ema_for is ${config.optimizer.emaFor.join(', ')} and optimizer.ema_decay is null: there is no average to use`,
      next: 'Set optimizer.ema_decay (0.999 is usual), or leave optimizer.ema_for out.',
    });
  }
  return [...unusedOptimizerSettings(config, provenance), ...unusedSettings(config, provenance)];
}

/**
 * The shards of a new run on so many replicas: those that were given, or `accumulate` on each, or one on each.
 * @throws UsageError ACCUMULATE_CONFLICT where shards and accumulate do not go together here, or make too many
 */
export function shardsOn(replicas: number, { shards, accumulate }: Pick<TrainConfig, 'shards' | 'accumulate'>): number {
  const product = replicas * (accumulate ?? 1);
  if (product > LIMITS.maxShards)
    throw accumulateConflict(
      `accumulate is ${accumulate}, on ${replicas} replicas that are ${product} shards, at most ${LIMITS.maxShards} are possible`,
      `Give --accumulate ${Math.floor(LIMITS.maxShards / replicas)} or fewer.`,
    );
  if (shards === null || accumulate === null || shards === product) return shards ?? product;
  throw accumulateConflict(
    `shards is ${shards}, and accumulate is ${accumulate} on ${replicas === 1 ? 'one replica' : `${replicas} replicas`}, which are ${product} shards`,
    'Leave out one of the two: --shards alone gives the same result on any number of replicas.',
  );
}

/** Of a cluster or a resumed run, whose replicas are not known or may be others. */
function requireAccumulateDivides({ shards, accumulate }: TrainConfig): void {
  if (shards === null || accumulate === null || shards % accumulate === 0) return;
  throw accumulateConflict(
    `shards is ${shards} and accumulate is ${accumulate}: no number of replicas makes ${shards} shards of ${accumulate} on each`,
    `Give --shards ${Math.max(1, Math.round(shards / accumulate)) * accumulate}, or leave out one of the two.`,
  );
}

function accumulateConflict(message: string, next: string): UsageError {
  return new UsageError({ code: 'ACCUMULATE_CONFLICT', message, next });
}

/** @throws UsageError EXECUTION_CONFLICT */
function requireExecutable({ execution, compile, precision }: TrainConfig): void {
  if (execution !== 'xla' || (compile && precision === 'fp32')) return;
  throw new UsageError({
    code: 'EXECUTION_CONFLICT',
    message: compile
      ? 'execution is xla and precision is bf16: by XLA a step in bfloat16 is no faster than one in float32, and its sums are not known to be right'
      : 'execution is xla and compile is false: XLA compiles whole steps, and they are executed operation by operation',
    next: 'Leave out one of the two.',
  });
}

/** @throws UsageError BATCH_NORM_SYNCHRONIZED */
function refuseSynchronized({ batchNorm }: TrainConfig): void {
  if (batchNorm !== 'synchronized') return;
  throw new UsageError({
    code: 'BATCH_NORM_SYNCHRONIZED',
    message:
      'batch_norm is synchronized: replicas would have to exchange statistics inside the forward and the backward pass, ' +
      'and in exact mode they meet once a step, when a shard is done, so that any of them may be lost',
    next: 'Give --shards 1, whose only shard is the whole batch (on one replica), or --batch-norm fixed or shard.',
  });
}

/** @throws UsageError OVERFIT_CONFLICT */
function requireOneOfLimits({ overfit, trainLimit, validationLimit }: TrainConfig): void {
  if (overfit === null || (trainLimit === null && validationLimit === null)) return;
  const [name, limit] = trainLimit === null ? ['validation_limit', validationLimit] : ['train_limit', trainLimit];
  throw new UsageError({
    code: 'OVERFIT_CONFLICT',
    message: `overfit is ${overfit}, which is the limit of both sets, and ${name} is ${limit}`,
    next: 'Leave out one of the two.',
  });
}

/** Every shard of a full batch needs an example. @throws UsageError BATCH_SMALLER_THAN_SHARDS */
export function requireBatchCoversShards({ batch, shards }: { batch: number; shards: number }): void {
  if (batch >= shards) return;
  throw new UsageError({
    code: 'BATCH_SMALLER_THAN_SHARDS',
    message: `batch is ${batch} and shards is ${shards}: ${shards - batch} of the shards would have no example in any step`,
    next: `give --batch ${shards} or more, or --shards ${batch} or fewer (default: one per replica)`,
  });
}

function requireScheduleMakesSense({ optimizer: { schedule } }: TrainConfig): void {
  const { name, milestones } = schedule;
  if (name === 'step' && milestones.length === 0) {
    throw new UsageError({
      code: 'SCHEDULE_CONFLICT',
      message: 'optimizer.schedule.name is step, and optimizer.schedule.milestones is empty: the rate would never change',
      next: 'list the epochs at which it drops (--set optimizer.schedule.milestones=[60,90]), or choose constant',
    });
  }
  const disorder = milestones.findIndex((milestone, index) => index > 0 && milestone <= milestones[index - 1]);
  if (disorder > 0) {
    throw new UsageError({
      code: 'SCHEDULE_CONFLICT',
      message: `optimizer.schedule.milestones must rise, found ${milestones[disorder]} after ${milestones[disorder - 1]}`,
      next: 'list each epoch once, in order',
    });
  }
}

function unusedOptimizerSettings({ optimizer }: TrainConfig, provenance: Provenance): string[] {
  const { name, schedule } = optimizer;
  const unused: string[] = [];
  const given = (key: string) => (provenance[`optimizer.${key}`] ?? 'default') !== 'default';
  const report = (key: string, differs: boolean, because: string) => {
    if (given(key) && differs) unused.push(`optimizer.${key} (${provenance[`optimizer.${key}`]}) has no effect: ${because}`);
  };
  for (const [
    setting,
    {
      setting: { default: usual },
      of,
    },
  ] of OPTIMIZER_SETTINGS) {
    if (of.includes(name)) continue;
    const differs = optimizer[setting as keyof OptimizerSettings] !== usual;
    report(toSnakeCase(setting), differs, `it belongs to ${listed(of)}, and the optimizer is ${name}`);
  }
  const { warning } = OPTIMIZERS[name];
  if (warning !== undefined) unused.push(`optimizer.name is ${name}: ${warning}`);
  const isStep = schedule.name === 'step';
  report(
    'schedule.milestones',
    !isStep && schedule.milestones.length > 0,
    `it belongs to the step schedule, and this one is ${schedule.name}`,
  );
  report(
    'schedule.decay',
    !isStep && schedule.decay !== 0.1,
    `it belongs to the step schedule, and this one is ${schedule.name}`,
  );
  report(
    'schedule.final_fraction',
    schedule.name !== 'cosine' && schedule.finalFraction !== 0,
    `it belongs to the cosine schedule, and this one is ${schedule.name}`,
  );
  return unused;
}

/** `adam, adamw and adamax`. */
function listed(names: readonly string[]): string {
  return [names.slice(0, -1).join(', '), names[names.length - 1]].filter((part) => part !== '').join(' and ');
}

function unusedSettings(config: TrainConfig, provenance: Provenance): string[] {
  const unused: string[] = [];
  const { dataDir, data, epochs, transpose } = config;
  const { warmupEpochs, milestones } = config.optimizer.schedule;
  if (dataDir !== null && data !== 'mnist' && data !== 'idx') {
    unused.push(`data_dir (${provenance.data_dir}) has no effect: data is ${data}, which reads no folder`);
  }
  if (transpose && data !== 'idx')
    unused.push(`transpose (${provenance.transpose}) has no effect: data is ${data}, and only pictures of idx are turned`);
  if (epochs > 0 && warmupEpochs >= epochs) {
    unused.push(`optimizer.schedule.warmup_epochs is ${warmupEpochs} and epochs is ${epochs}: the base rate is never reached`);
  }
  const late = milestones.filter((milestone) => milestone > epochs);
  if (config.optimizer.schedule.name === 'step' && epochs > 0 && late.length > 0) {
    unused.push(`optimizer.schedule.milestones ${late.join(', ')} come after the last epoch, ${epochs}`);
  }
  return unused;
}
