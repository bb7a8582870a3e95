import { expect, test } from 'vitest';
import { runRecord } from '../../../src/common/run_record.js';
import { crc32c, eventFileHead, eventOf } from '../../../src/report/files/tensorboard.js';
import { sampleEpoch, sampleStep } from '../../support/run_events_sample.js';

test('CRC-32C of "123456789" is the check value of RFC 3720’s polynomial', () => {
  expect(crc32c(new TextEncoder().encode('123456789')).toString(16)).toBe('e3069283');
});

test('a file begins with its version and a SessionLog START, each in a TFRecord', () => {
  const head = eventFileHead({ step: 7, seconds: 1.5 });
  const first = Number(new DataView(head.buffer).getBigUint64(0, true));
  // wall_time 1.5, step 0, file_version "brain.Event:2".
  expect([...head.subarray(12, 12 + first)]).toEqual([
    9,
    0,
    0,
    0,
    0,
    0,
    0,
    0xf8,
    0x3f,
    16,
    0,
    26,
    13,
    ...Buffer.from('brain.Event:2'),
  ]);
  // wall_time 1.5, step 7, session_log { status: START }.
  expect([...head.subarray(first + 16 + 12, -4)]).toEqual([9, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 16, 7, 58, 2, 8, 1]);
});

test('an epoch tells its values, a step its loss, rate and phases; of long epochs at most 1,000 steps', () => {
  const tags = (bytes: Uint8Array): string[] =>
    Buffer.from(bytes)
      .toString('latin1')
      .match(/(epoch|step|step_ms)\/[a-z_]+/g) ?? [];
  const at = { step: 3, seconds: 1 };
  const epoch = eventOf(runRecord(sampleEpoch({ epoch: 1, valAcc: 0.5, saved: false })), at);
  expect(tags(epoch)).toEqual(['loss', 'acc', 'val_loss', 'val_acc', 'seconds', 'images_per_s'].map((name) => `epoch/${name}`));
  const step = sampleStep({ epoch: 1, stepInEpoch: 3 });
  expect(tags(eventOf(runRecord(step), at)).slice(0, 4)).toEqual([
    'step/loss',
    'step/learning_rate',
    'step/images_per_s',
    'step_ms/data',
  ]);
  expect(eventOf(runRecord({ ...step, stepsPerEpoch: 2001 }), at)).not.toHaveLength(0);
  expect(eventOf(runRecord({ ...step, stepInEpoch: 4, stepsPerEpoch: 2001 }), at)).toHaveLength(0);
});
