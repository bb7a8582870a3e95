/**
 * Owns: that docs/models.md lists every class that tfjs registers as what it is: walked (test/integration/layer_walk.test.ts), random
 * (test/engine/ops/keyed_random.test.ts) or refused, and every loss, metric, optimizer and constraint by name.
 */
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, expect, it } from 'vitest';
import * as classes from '../../src/models/class_names.js';
import { LOSSES } from '../../src/objective/losses.js';
import { METRICS } from '../../src/objective/metrics.js';
import { OPTIMIZERS } from '../../src/optimizers/table.js';
import { createMasked, createModel } from '../support/models/layer_walk.mjs';
import { REFUSED_LAYERS } from '../support/refused_layers.js';

beforeAll(async () => {
  await tf.setBackend('cpu');
});

const PAGE = readFileSync('docs/models.md', 'utf8');
const RANDOM = ['AlphaDropout', 'Dropout', 'GaussianDropout', 'GaussianNoise', 'SpatialDropout1D'];
/** Refused by model_layout.test.ts, which can build it. */
const DRAWS_WIDTH = 'RandomWidth';

function classesIn(json: unknown): string[] {
  if (typeof json !== 'object' || json === null) return [];
  const { class_name: own } = json as { class_name?: unknown };
  return [...(typeof own === 'string' ? [own] : []), ...Object.values(json).flatMap(classesIn)];
}

function walked(): string[] {
  const all = [createModel(tf), createMasked(tf)].flatMap((model) => [
    ...classesIn(model.toJSON(null, false)),
    // Cells that a recurrent layer makes itself.
    ...model.layers.map((layer) => (layer as { cell?: tf.layers.Layer }).cell?.getClassName() ?? ''),
  ]);
  const ofLayers = new Set([...classes.LAYERS, ...classes.CELLS, ...classes.MODELS]);
  return [...new Set(all)].filter((name) => ofLayers.has(name)).sort();
}

it('every layer, cell and model class is walked, random or refused, and no two of these', () => {
  const registered = [...classes.LAYERS, ...classes.CELLS, ...classes.MODELS, ...classes.READS_DATA];
  // Functional is what later Keras calls Model, and the same class.
  const known = registered.filter((name) => name !== 'Functional');
  const refused = [...Object.keys(REFUSED_LAYERS), DRAWS_WIDTH];
  const placed = [...walked(), ...RANDOM, ...refused];
  expect(known.filter((name) => placed.filter((other) => other === name).length !== 1)).toEqual([]);
});

it('the page has the table that follows', () => {
  const refused = Object.entries(REFUSED_LAYERS).map(([name, { code, why }]) => `| ${name} | \`${code}\`: ${why} |`);
  const table = [
    '| layers | |',
    '| --- | --- |',
    `| ${walked().join(', ')} | learn, or are frozen, as plain tfjs in float64 has it, to rounding |`,
    `| ${RANDOM.join(', ')} | draw keyed numbers, [below](#random-layers) |`,
    ...refused,
    `| ${DRAWS_WIDTH} | \`MODEL_READS_DATA\`: it draws a width for each batch |`,
  ].join('\n');
  expect(PAGE).toContain(table);
});

it('the page names every loss, metric, optimizer and constraint', () => {
  const constraints = Object.keys(tf.constraints);
  const names = [...Object.keys(LOSSES), ...Object.keys(METRICS), ...Object.keys(OPTIMIZERS), ...constraints];
  expect(names.length).toBeGreaterThan(35);
  expect(names.filter((name) => !new RegExp(`\\b${name}\\b`).test(PAGE))).toEqual([]);
});
