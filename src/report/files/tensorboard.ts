/**
 * Owns: event files as TensorBoard reads them: records with masked CRC-32C around `Event` messages (tensorflow/core/util/event.proto, summary.proto).
 * Does not: write bytes anywhere. Every file begins with a SessionLog START: readers then forget what an earlier start wrote from that step on, so that a
 * resumed run is one history in all of them.
 */
import protobuf from 'protobufjs/minimal.js';
import type { RunRecord } from '../../common/run_record.js';
import { histogramOf, type ToldWeights } from './histogram.js';

/** Steps of an epoch that are told at most: more are no longer told apart. */
const MOST_STEPS_OF_EPOCH = 1000;

/** What a new file begins with. `step`: the first one that will be in it. */
export function eventFileHead({ step, seconds }: { step: number; seconds: number }): Uint8Array {
  const version = event(seconds, 0).uint32(26).string('brain.Event:2');
  const start = event(seconds, step).uint32(58).fork().uint32(8).int32(1).ldelim();
  return joined([framed(version.finish()), framed(start.finish())]);
}

/** The scalars of a `step` or `epoch` record; empty for others, and for steps that are left out. `step`: the run's, for an epoch its last. */
export function eventOf(record: RunRecord, { step, seconds }: { step: number; seconds: number }): Uint8Array {
  const scalars = Object.entries(scalarsOf(record));
  if (scalars.length === 0) return new Uint8Array();
  const message = event(seconds, step).uint32(42).fork();
  for (const [tag, value] of scalars) message.uint32(10).fork().uint32(10).string(tag).uint32(21).float(value).ldelim();
  return framed(message.ldelim().finish());
}

/** The graph of the training step: `graph_def`, field 4 of Event. */
export function graphEvent(graphDef: Uint8Array, { step, seconds }: { step: number; seconds: number }): Uint8Array {
  return framed(event(seconds, step).uint32(34).bytes(graphDef).finish());
}

/** How each weight is distributed. HistogramProto of summary.proto: min 1, max 2, num 3, sum 4, sum_squares 5, bucket_limit 6, bucket 7. */
export function histogramEvent({ values, slots }: ToldWeights, { step, seconds }: { step: number; seconds: number }): Uint8Array {
  const message = event(seconds, step).uint32(42).fork();
  for (const { name, offset, size } of slots) {
    const { min, max, sum, sumSquares, count, limits, counts } = histogramOf(values.subarray(offset, offset + size));
    message.uint32(10).fork().uint32(10).string(`weights/${name}`).uint32(42).fork();
    message
      .uint32(9)
      .double(min)
      .uint32(17)
      .double(max)
      .uint32(25)
      .double(count)
      .uint32(33)
      .double(sum)
      .uint32(41)
      .double(sumSquares);
    for (const [tag, list] of [
      [50, limits],
      [58, counts],
    ] as const) {
      message.uint32(tag).fork();
      for (const value of list) message.double(value);
      message.ldelim();
    }
    message.ldelim().ldelim();
  }
  return framed(message.ldelim().finish());
}

const NO_VALUES = new Set(['v', 'type', 'epoch', 'saved']);

function scalarsOf(record: RunRecord): Record<string, number> {
  const scalars: Record<string, number> = {};
  const put = (tag: string, value: unknown): void => {
    if (typeof value === 'number') scalars[tag] = value;
  };
  if (record.type === 'epoch') {
    for (const [name, value] of Object.entries(record)) if (!NO_VALUES.has(name)) put(`epoch/${name}`, value);
  } else if (record.type === 'step') {
    const stride = Math.ceil(Number(record.steps_per_epoch ?? record.step_in_epoch) / MOST_STEPS_OF_EPOCH);
    if (Number(record.step_in_epoch) % stride !== 0) return {};
    for (const name of ['loss', 'learning_rate', 'gradient_norm', 'images_per_s']) put(`step/${name}`, record[name]);
    for (const [phase, ms] of Object.entries((record.phases_ms ?? {}) as object)) put(`step_ms/${phase}`, ms);
  }
  return scalars;
}

/** wall_time = 1 (double), step = 2 (int64). */
function event(seconds: number, step: number): protobuf.Writer {
  return protobuf.Writer.create().uint32(9).double(seconds).uint32(16).int64(step);
}

/** TFRecord: length, its checksum, data, its checksum. */
function framed(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(data.length + 16);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Castagnoli's polynomial, bits reversed. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc >>> 0;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

/** A checksum of data that holds checksums is weak: TensorFlow turns and shifts it (tsl/lib/hash/crc32c.h). */
function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
