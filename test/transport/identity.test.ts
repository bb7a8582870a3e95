import { expect, test } from 'vitest';
import { objectiveSchema } from '../../src/common/objective.js';
import { layoutSha256 } from '../../src/transport/identity.js';
import { tinyModel } from '../support/run_state.js';

test('a model has one hash before and after the wire, whatever order its objective’s keys were made in', () => {
  const { layout, objective } = tinyModel;
  const turned = Object.fromEntries(Object.entries(objective).reverse()) as typeof objective;
  const metrics = objective.metrics.map((metric) => Object.fromEntries(Object.entries(metric).reverse()) as typeof metric);
  const received = objectiveSchema.parse(JSON.parse(JSON.stringify({ ...turned, metrics })));
  expect(layoutSha256({ layout, objective: { ...turned, metrics } })).toBe(layoutSha256({ layout, objective }));
  expect(layoutSha256({ layout, objective: received })).toBe(layoutSha256({ layout, objective }));
});
