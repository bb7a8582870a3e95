/** Advice on what bench draws. */
import { flags, modelFile, type Cases } from './cases.js';

/** A measurement of a model with three outputs, and what it is told to do. */
const BENCH = [
  ...[
    'bench',
    '--model',
    modelFile('three.mjs', 3, "model.compile({ optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy' })"),
  ],
  ...['--gpus', 'none', '--workers', '1', '--threads-per-worker', '1', '--batch', '6', '--steps', '1'],
];

export const BENCH_CASES: Cases = {
  'examples that bench draws of another shape': flags(
    'src/worker/replica/bind_fields.ts',
    'Give --input-shape',
    [...BENCH, '--classes', '3'],
    [/--input-shape 2\b/],
    true,
  ),
  'more classes than the model that bench measures': flags(
    'src/objective/shapes.ts',
    'Give --classes',
    [...BENCH, '--input-shape', '2'],
    [/--classes 3\b/],
    true,
  ),
  'classes that bench draws for yes and no': flags(
    'src/objective/labels.ts',
    'Give --classes 2',
    [...BENCH.with(2, modelFile('one.mjs', 1)), '--input-shape', '2', '--loss', 'sigmoid_cross_entropy'],
    [/--classes 2\b/],
    true,
  ),
  'sizes of an example that are none': flags(
    'src/cli/commands/bench.ts',
    'for example --input-shape',
    [...BENCH, '--input-shape', '2x1', '--classes', '3'],
    [],
  ),
};
