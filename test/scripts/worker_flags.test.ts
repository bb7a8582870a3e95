import { expect, it } from 'vitest';
import { workerFlags } from '../../scripts/chaos/worker_flags.mjs';

it('workers read the files that the training last names, and nothing that the coordinator tells', () => {
  const training = ['--model', 'gluon_cnn', '--data', 'synthetic', '--batch', '20', '--lr', '0.1'];
  expect(workerFlags(training)).toEqual([]);
  const own = [
    ...training,
    '--data',
    'package.json',
    '--data=README.md',
    '--model',
    'scripts/crash/tiny_model.mjs',
    '--data-dir=src',
  ];
  expect(workerFlags(own)).toEqual(['--model', 'scripts/crash/tiny_model.mjs', '--data', 'README.md', '--data-dir', 'src']);
  expect(workerFlags([...own, '--data', 'synthetic', '--model'])).toEqual([
    ...['--model', 'scripts/crash/tiny_model.mjs'],
    ...['--data-dir', 'src'],
  ]);
});
