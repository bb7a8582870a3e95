import { expect, test } from 'vitest';
import type { ShardResult } from '../../../../src/common/replica.js';
import { StepMeter } from '../../../../src/coordinator/planes/exact/step_meter.js';

test('waiting for rows is data of the slowest replica, and no computation', () => {
  let now = 0;
  const meter = new StepMeter(() => now);
  meter.begin();
  now = 100;
  const results = [
    { computeMs: 60, dataMs: 50, replica: 'cpu(0)' },
    { computeMs: 80, dataMs: 30, replica: 'cpu(1)' },
  ];
  meter.computed(results as readonly Partial<ShardResult>[] as readonly ShardResult[]);
  expect(meter.end().phasesMs).toMatchObject({ data: 30, compute: 50, wait: 20 });
});
