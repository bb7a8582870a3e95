/**
 * Owns: everything that coordinator and worker say to each other: one union with string tags, a schema each; and its bytes.
 * Does not: carry tensors: a message's tensor bytes travel beside its header (message_stream.ts).
 *
 *   worker                         coordinator
 *   hello            →
 *                    ←   welcome (run, job; topology as bytes)
 *   prepared         →                                    data, model, numerics and golden shards, by hash
 *                    ←   describe                         the first worker only
 *   description      →                                    layout, topology, initial weights as bytes
 *                    ←   admitted | refused
 *                    ←   parameters, assign …             parameters once per version
 *   result, lost, fault … →
 *   leaving          →                                    shards under way are finished first
 *                    ←   finish
 *   heartbeat       ↔
 */
import * as msgpackr from 'msgpackr/index-no-eval';
import { z } from 'zod';
import { wireError } from './frame.js';
import { scanHeader } from './header_scan.js';
import { LIMITS } from '../limits.js';
import { oneLine } from '../one_line.js';
import { workerSettingSchemas } from '../settings/schema.js';

/** For people: what the other side wrote is shown on a terminal. */
const text = z.string().max(4096).overwrite(oneLine);
/** As long as a state of the run takes it, which holds it too (coordinator/storage/state/state_schema.ts). */
const word = z.string().max(1000).overwrite(oneLine);
const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** NaN and Infinity too: that a shard found them is news that must arrive. */
const double = z.custom<number>((value) => typeof value === 'number');
const kind = z.enum(['train', 'evaluate']);

const numericsSchema = z.strictObject({
  tensorflow: word,
  device: word,
  deviceModel: word,
  precision: z.enum(['fp32', 'bf16']),
  intraOpThreads: count,
  instructionSet: word,
  oneDnn: z.enum(['on', 'off', 'unknown']),
  oneDnnIsa: word,
  execution: z.enum(['compiled', 'xla', 'eager']),
  arithmetic: count,
  probe: sha256,
});

/** What a worker must prepare to take part. Names only, never a path, an address or code. */
const jobSchema = z.strictObject({
  /** `module`: the worker must have been started with the same file. `topology`: its JSON comes as this message's bytes. */
  model: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('builtin'), name: z.literal('gluon_cnn') }),
    z.strictObject({ kind: z.literal('topology'), name: text }),
    z.strictObject({ kind: z.literal('module'), name: text, sha256 }),
  ]),
  /** Name of data that any machine makes alike (data/sources/table.ts); null: a module or files that the worker must have been started with. */
  data: z
    .string()
    .regex(/^[a-z0-9_]{1,40}$/)
    .nullable(),
  dataName: text,
  datasetSha256: sha256,
  /** The settings that workers need (settings/table.ts), by name. */
  ...workerSettingSchemas(),
  /** Distinct shard sizes of the run: a golden shard of each is computed at the join. */
  shardSizes: z.array(count.min(1)).min(1).max(LIMITS.maxShardSizes),
});
export type Job = z.infer<typeof jobSchema>;

/** An evaluation numbers the shards of all its batches through: as many as it has examples, at most. */
const shardId = z.strictObject({ kind, step: count, shard: count.max(LIMITS.maxReadExamples), attempt: count });
const asked = { id: shardId, version: count, replica: count };

const MESSAGES = {
  hello: z.strictObject({
    type: z.literal('hello'),
    software: text,
    /** Shown to people. */
    worker: text.min(1).max(LIMITS.maxWorkerNameLength),
    /** Random, made at its start: whoever comes back with it did not die. */
    process: z.string().regex(/^[A-Za-z0-9_-]{16,64}$/),
    /** Names of its replicas' devices: `cpu(0)`. */
    replicas: z.array(text.max(100)).min(1).max(LIMITS.maxReplicasPerWorker),
  }),
  welcome: z.strictObject({
    type: z.literal('welcome'),
    software: text,
    runId: text,
    coordinatorEpoch: count,
    /** Both sides count the other as gone after this long without a byte, ms. */
    silenceMs: count.min(LIMITS.minSilenceMs).max(LIMITS.maxSilenceMs),
    job: jobSchema,
  }),
  prepared: z.strictObject({
    type: z.literal('prepared'),
    datasetSha256: sha256,
    /** Of the layout: names, shapes, order, moving statistics. */
    layoutSha256: sha256,
    /** Of the weights it drew from the seed. */
    initialSha256: sha256,
    numerics: numericsSchema,
    versions: z.strictObject({ tensorflow: text, tfjs: text }),
    /** In the order of `shardSizes`. */
    golden: z.array(sha256).max(LIMITS.maxShardSizes),
  }),
  describe: z.strictObject({ type: z.literal('describe') }),
  /** Bytes: JSON of name, topology and weights' shapes (`jsonBytes`), then the initial weights. */
  description: z.strictObject({ type: z.literal('description'), jsonBytes: count, weights: count }),
  admitted: z.strictObject({ type: z.literal('admitted'), worker: text }),
  refused: z.strictObject({ type: z.literal('refused'), code: text, message: text, next: text }),
  /** Bytes: all weights in layout order. */
  parameters: z.strictObject({ type: z.literal('parameters'), version: count }),
  /** Bytes: rows, int32 (assigned_rows.ts): the shard's, those of the whole global batch where masks are counted over it or examples mixed, those to come. */
  assign: z.strictObject({
    type: z.literal('assign'),
    ...asked,
    firstExample: count,
    /** Of training: keys augmentation. */
    epoch: count.optional(),
    regularizationWeight: z.number(),
    batchRows: count.optional(),
    ahead: z
      .strictObject({
        counts: z.array(count).max(LIMITS.batchesReadAhead),
        most: count.max(LIMITS.batchesReadAhead * LIMITS.maxShards),
      })
      .optional(),
    /** Of an evaluation: classes and their probabilities are asked for, and no sums. */
    classify: z.literal(true).optional(),
  }),
  /** Bytes: gradient, then statistics; of an evaluation none, or where it was asked to classify, float32: a class for each row, then their probabilities. */
  result: z.strictObject({
    type: z.literal('result'),
    ...asked,
    coordinatorEpoch: count,
    /** Of the parameters it was computed from, as they arrived (message_stream.ts, addPiece). */
    parametersChecksum: count,
    examples: count,
    lossSum: double,
    /** Of all metrics, in the order of the objective. */
    sums: z.array(double).max(LIMITS.maxMetricSums),
    nonFinite: text.nullable(),
    computeMs: double,
  }),
  /** A replica of the worker is gone; the others go on. */
  lost: z.strictObject({ type: z.literal('lost'), replica: count, reason: text }),
  /** The run itself is at fault, its data or its model, which any other replica would find too: the run ends with this error once one has. */
  fault: z.strictObject({
    type: z.literal('fault'),
    replica: count,
    /** `worker`: this worker alone cannot prepare, and goes; the close of a connection has no room for its reason. */
    of: z.enum(['usage', 'data', 'worker']),
    code: text,
    message: text,
    next: text,
  }),
  leaving: z.strictObject({ type: z.literal('leaving') }),
  /** `done`: the run ended. `stopped`: it ended early and may be resumed. `left`: goodbye to a worker that leaves. `failed`: it cannot go on. */
  finish: z.strictObject({ type: z.literal('finish'), reason: z.enum(['done', 'stopped', 'left', 'failed']) }),
  /** `read`: bytes that this connection has brought its sender so far: what lies beyond, the systems and lines between still carry. */
  heartbeat: z.strictObject({ type: z.literal('heartbeat'), read: count.optional() }),
} as const;

export type MessageType = keyof typeof MESSAGES;
export type Message = { [T in MessageType]: z.infer<(typeof MESSAGES)[T]> }[MessageType];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;

const packer = new msgpackr.Packr({ useRecords: false, mapsAsObjects: true, moreTypes: false });

export function encodeHeader(message: Message): Uint8Array {
  return packer.pack(message);
}

/** @throws ClusterError WIRE_INVALID for anything but a known message of exactly its shape. */
export function decodeHeader(bytes: Uint8Array): Message {
  scanHeader(bytes);
  const value: unknown = packer.unpack(bytes);
  const type = (value as { type?: unknown } | null)?.type;
  if (typeof type !== 'string' || !Object.hasOwn(MESSAGES, type)) throw wireError(`an unknown message`);
  const parsed = MESSAGES[type as MessageType].safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw wireError(`message ${type}, ${issue.path.join('.')}: ${issue.message}`);
}
