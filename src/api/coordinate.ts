/**
 * Owns: putting a cluster's run together on the coordinator's side: token, data, model, run folder, door, workers; then the run loop.
 * Does not: loop (coordinator/start_run.ts and run.ts, the next hops), load TensorFlow, or print (observers do).
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { settleOn, type CompiledModel, type SettledRun } from '../common/compiled_model.js';
import { requireAuditable, requireBatchCoversShards } from '../common/config_checks.js';
import type { Dataset } from '../common/dataset.js';
import { formatEndpoint, isLoopback, type Endpoint } from '../common/endpoint.js';
import { ClusterError, invariant, UsageError } from '../common/errors.js';
import { LIMITS } from '../common/limits.js';
import type { Job } from '../common/protocol/messages.js';
import type { EndEvent } from '../common/run_events.js';
import { shardSizes } from '../common/shard.js';
import { workerSettings } from '../common/settings/table.js';
import { unlessHurried } from '../common/stop_request.js';
import type { TrainConfig } from '../common/train_config.js';
import type { FirstModel } from '../coordinator/cluster/admissions.js';
import { Cluster } from '../coordinator/cluster/cluster.js';
import { weightsFor } from '../coordinator/storage/state/saved_model.js';
import { Fleet } from '../coordinator/planes/exact/fleet/fleet.js';
import { startServer, type ServerTls } from '../transport/server.js';
import { configFrom, endOfFinished, eventOf, observeInto, openRun, startRun } from '../coordinator/start_run.js';
import { nameEverywhere } from '../data/load.js';
import { loadDatasetAside } from '../data/load_aside.js';
import { resolveModelSource } from '../models/load.js';
import type { ModelSource } from '../models/model_source.js';
import { requireKnownLoss } from '../objective/compiled.js';
import { overriddenBy } from '../objective/create_objective.js';
import { requireKnown } from '../objective/find_names.js';
import { packageVersion } from '../package_info.js';
import { readSaved } from './saved_models.js';
import type { RunRequest } from './run_request.js';
import { linkTimes, type LinkTimes } from '../transport/link.js';
import { secretOf } from '../transport/secrets.js';
import { findToken, type TokenSource } from '../transport/token.js';
import { WorkerTokens, workerTokenFolder } from '../transport/worker_tokens.js';

export interface CoordinationRequest extends RunRequest {
  readonly listen: Endpoint;
  readonly token: TokenSource;
  /** Files of PEM, as the command line names them. */
  readonly encryption:
    | { kind: 'none' }
    | { kind: 'psk' }
    | { kind: 'certificate'; certificate: string; key: string }
    | { kind: 'trusted_certificate'; authority: string };
  readonly minWorkers: number;
  readonly joinTimeoutMs: number | null;
  /** A side that sends no byte for this long counts as gone, ms. */
  readonly silenceMs: number;
  /** For tests; by default those that follow from the silence. */
  readonly times?: LinkTimes;
}

/** Workers whose token was taken back are looked for this often, ms. */
const REVOCATION_MS = 1_000;

/** Runs one training on workers that come and go. Closes the door, and says goodbye to workers, whatever happens. */
export async function coordinate(request: CoordinationRequest): Promise<EndEvent> {
  const { config: asked, observer, say, stop } = request;
  const { shards } = asked;
  invariant(shards !== null, 'a cluster is given its shards');
  requireBatchCoversShards({ batch: asked.batch, shards });
  requireAuditable(asked, request.numericsCheck);
  requireKnown(asked);
  const secret = await secretFor(request);
  const tls = await readTls(request.encryption);
  const source = await resolveModelSource(asked.model);
  const initFrom = request.initFrom === null ? null : await readSaved(request.initFrom);
  const loading = loadDatasetAside(asked, { onProgress: (progress) => progress.kind === 'note' && say(progress.message) });
  const dataset = await unlessHurried(loading, stop);
  const judged = judgedBy(asked, source);
  const job = await jobOf({ ...asked, ...judged }, shards, source, dataset);

  const run = await openRun(request);
  try {
    const config = configFrom(request, run);
    const isNew = request.resume === null;
    const settle = (compiled: CompiledModel | undefined): SettledRun =>
      isNew && compiled !== undefined
        ? settleOn(compiled, { config, given: request.given ?? {} })
        : { config, sources: {}, notes: [] };
    const keep = async (settled: SettledRun): Promise<void> => {
      if (isNew) await run.folder.writeConfig(settled.config, { ...request.provenance, ...settled.sources });
    };
    // What a module compiles is known once a worker has run it; before, a folder without a configuration is nobody's.
    const known = source.kind === 'module' ? null : settle(compiledIn(source));
    if (known !== null) await keep(known);
    const observe = observeInto(run.folder, observer);
    const finished = run.saved && endOfFinished(run.saved, config);
    if (finished) {
      say(
        `nothing is left to compute in ${run.folder.path} (${finished.steps} steps); to go on, give more --epochs or --max-steps`,
      );
      observe(finished);
      return finished;
    }
    let started = false;
    const fleet = new Fleet({
      coordinatorEpoch: run.folder.coordinatorEpoch,
      canJoin: true,
      minWorkers: request.minWorkers,
      joinTimeoutMs: request.joinTimeoutMs,
      audit: config.audit,
      onCondemned: (process, reason) => cluster.condemn(process, reason),
      onNote: (note) => {
        if (started) observe(eventOf(note));
        else say(note.message);
        beginUnlessWaiting();
        giveUpIfAlone();
      },
    });
    const beginUnlessWaiting = (): void => {
      if (started && !fleet.waiting) request.onFirstStep?.();
    };
    // A step that nobody computes is not waited for when the run is to stop.
    const alone = new AbortController();
    const giveUpIfAlone = (): void => {
      if (stop.asked.aborted && fleet.waiting) alone.abort();
    };
    stop.asked.addEventListener('abort', giveUpIfAlone, { once: true });
    const cluster = new Cluster({
      software: packageVersion(),
      runId: run.folder.runId,
      coordinatorEpoch: run.folder.coordinatorEpoch,
      job,
      topology: source.kind === 'topology' ? source.topology : null,
      fleet,
      numericsCheck: request.numericsCheck,
      savedNumerics: run.saved?.numerics ?? null,
      initialCounts: run.saved === null && initFrom === null && (source.kind !== 'topology' || source.weights === undefined),
      minWorkers: request.minWorkers,
      say,
      times: request.times ?? linkTimes(request.silenceMs),
    });
    const workerTokens = new WorkerTokens(workerTokenFolder(request.token, process.env));
    if (workerTokens.size > 0) say(`${workerTokens.size} workers have tokens of their own`);
    const revocations = setInterval(() => cluster.putOutRevoked((id) => workerTokens.find(id) !== null), REVOCATION_MS);
    const server = await startServer({
      listen: request.listen,
      secret,
      workers: (id) => workerTokens.find(id),
      tls,
      onWorker: (socket, from, own) => cluster.accept(socket, from, own),
      onRefused: (from, why) => say(`login from ${from} refused: ${why}`),
    });
    let goodbye: 'done' | 'stopped' | 'failed' = 'failed';
    try {
      say(
        `waiting for workers at ${formatEndpoint({ ...request.listen, port: server.port })}${tls.kind === 'none' ? '' : ' (TLS)'}`,
      );
      const first = await firstModel(cluster, request).catch((error: unknown) => {
        if (stop.asked.aborted) goodbye = 'stopped';
        throw error;
      });
      const settled = known ?? settle(first.model.compiled);
      if (known === null) await keep(settled);
      const { end } = await startRun({
        config: settled.config,
        notes: [...settled.notes, ...notesOf(asked, source)],
        shards,
        model: withWeights(first, source),
        numerics: first.numerics,
        data: {
          name: dataset.name,
          sha256: dataset.sha256,
          train: dataset.train.count,
          validation: dataset.validation?.count ?? 0,
        },
        versions: { tfjsParallel: packageVersion(), node: process.versions.node, ...first.versions },
        run,
        changes: request.changes,
        initFrom,
        numericsCheck: request.numericsCheck,
        fleet,
        observe,
        stop: {
          get reason() {
            return stop.reason;
          },
          asked: stop.asked,
          hurry: AbortSignal.any([stop.hurry, alone.signal]),
        },
        onStart: () => {
          started = true;
          // The loop asks for its first round in this turn; then it is known whether there are workers enough.
          setImmediate(beginUnlessWaiting);
        },
      });
      goodbye = ['done', 'stopped_early', 'max_steps'].includes(end.reason) ? 'done' : 'stopped';
      tellIncidents(fleet, say);
      return end;
    } finally {
      clearInterval(revocations);
      await cluster.close(goodbye);
      await server.close();
    }
  } finally {
    await run.folder.closeOrDiscard();
  }
}

async function secretFor({ token, say, encryption, listen }: CoordinationRequest): Promise<ReturnType<typeof secretOf>> {
  const found = await findToken({ source: token, create: true, environment: process.env, stdin: process.stdin });
  say(found.created ? `made a token in ${found.from} (mode 600): workers need a copy of this file` : `token from ${found.from}`);
  if (encryption.kind === 'none' && !isLoopback(listen.host)) {
    say(
      'WARNING: --insecure-plaintext: data and weights cross the network unencrypted; anybody on the way can read and change them',
    );
  }
  return secretOf(found.token);
}

async function readTls(encryption: CoordinationRequest['encryption']): Promise<ServerTls> {
  if (encryption.kind === 'certificate') {
    const read = (path: string): Promise<string> =>
      readFile(path, 'utf8').catch((cause: Error) => {
        throw new UsageError({
          code: 'TLS_FILE',
          message: `cannot read ${path}: ${cause.message}`,
          next: 'Give --tls-cert and --tls-key PEM files.',
          cause,
        });
      });
    const [certificate, key] = [await read(encryption.certificate), await read(encryption.key)];
    try {
      createSecureContext({ cert: certificate, key });
    } catch (cause) {
      throw new UsageError({
        code: 'TLS_FILE',
        message: `${encryption.certificate} and ${encryption.key} are no certificate and its key: ${(cause as Error).message}`,
        next: 'Give --tls-cert the certificate chain and --tls-key the private key that belongs to it, both PEM without a password.',
        cause,
      });
    }
    return { kind: 'certificate', certificate, key };
  }
  invariant(encryption.kind !== 'trusted_certificate', 'the listening side has a certificate of its own');
  return encryption;
}

/** The run's own settings, else what the model's file was compiled with, which a topology does not carry. @throws UsageError LOSS_UNKNOWN */
function judgedBy({ loss, metrics }: TrainConfig, source: ModelSource): Pick<TrainConfig, 'loss' | 'metrics'> {
  const compiled = source.kind === 'topology' ? source.compiled : undefined;
  requireKnownLoss(compiled ?? null, { loss });
  const named = compiled?.metrics ?? null;
  return { loss: loss ?? compiled?.loss ?? null, metrics: metrics ?? (named === null ? null : [...named]) };
}

function compiledIn(source: ModelSource): CompiledModel | undefined {
  if (source.kind !== 'topology' || source.compiled === undefined) return undefined;
  const { loss, metrics, optimizer } = source.compiled;
  return { loss, metrics: metrics && [...metrics], optimizer };
}

/** Workers see names alone, and cannot tell who named them. */
function notesOf(asked: TrainConfig, source: ModelSource): string[] {
  return source.kind === 'topology' ? overriddenBy(asked, source.compiled ?? null) : [];
}

async function jobOf(config: TrainConfig, shards: number, source: ModelSource, dataset: Dataset): Promise<Job> {
  const train = dataset.train.count;
  const batches = [Math.min(config.batch, train), train % config.batch];
  const sizes = batches.flatMap((globalBatch) => shardSizes({ globalBatch, shards })).filter((size) => size > 0);
  return {
    model: await jobModel(source),
    data: nameEverywhere(config.data),
    dataName: dataset.name,
    datasetSha256: dataset.sha256,
    ...workerSettings(config),
    shardSizes: [...new Set(sizes)],
  };
}

async function jobModel(source: ModelSource): Promise<Job['model']> {
  if (source.kind === 'builtin') return { kind: 'builtin', name: source.name };
  if (source.kind === 'module') {
    const sha256 = createHash('sha256')
      .update(await readFile(source.path))
      .digest('hex');
    return { kind: 'module', name: source.name, sha256 };
  }
  if (Buffer.byteLength(source.topology) > LIMITS.maxTopologyBytes) {
    throw new UsageError({
      code: 'MODEL_TOO_LARGE',
      message: `the topology of ${source.name} has ${Buffer.byteLength(source.topology)} bytes, at most ${LIMITS.maxTopologyBytes} can be sent to workers`,
      next: 'Pass it as a module with createModel(tf) to the coordinator and to each worker.',
    });
  }
  return { kind: 'topology', name: source.name };
}

/** Weights that came with a model file never cross the wire to be built into workers: they are simply the run's first parameters. */
function withWeights({ model }: FirstModel, source: ModelSource): FirstModel['model'] {
  if (source.kind !== 'topology' || source.weights === undefined) return model;
  const { name: path, topology, weights: values, manifest: weights = model.layout.slots } = source;
  return { ...model, initial: weightsFor(model, { path, weights, values, topology }) };
}

async function firstModel(cluster: Cluster, { stop, joinTimeoutMs }: CoordinationRequest): Promise<FirstModel> {
  const waits: Promise<FirstModel>[] = [cluster.first];
  waits.push(new Promise((_, reject) => stop.asked.addEventListener('abort', () => reject(stop.asked.reason), { once: true })));
  let timer: NodeJS.Timeout | undefined;
  if (joinTimeoutMs !== null) {
    const error = new ClusterError({
      code: 'JOIN_TIMEOUT',
      message: `no worker joined within ${joinTimeoutMs / 1000} s`,
      next: 'Start workers with `tfjs-parallel worker --host …`, or wait longer with --join-timeout.',
    });
    waits.push(new Promise((_, reject) => (timer = setTimeout(() => reject(error), joinTimeoutMs))));
  }
  if (stop.asked.aborted) throw stop.asked.reason;
  try {
    return await Promise.race(waits);
  } finally {
    clearTimeout(timer);
  }
}

function tellIncidents({ incidents }: Fleet, say: (line: string) => void): void {
  const { lostCount, lost, reassigned, speculative, recomputed, twinMismatches, refused, audited } = incidents;
  if (audited > 0) say(`audited: ${audited} shards were computed by two machines, alike to the bit`);
  if (lostCount + speculative + recomputed + refused + twinMismatches === 0) return;
  say(
    `survived: ${lostCount} replicas lost, ${reassigned} shards given to others, ${speculative} repeated for speed, ` +
      `${recomputed} computed again after bad numbers, ${refused} answers refused, ${twinMismatches} twins that differed`,
  );
  for (const { member, reason } of lost) say(`  ${member}: ${reason}`);
}
