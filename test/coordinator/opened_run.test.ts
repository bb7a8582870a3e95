import { expect, it } from 'vitest';
import { DEFAULT_TRAIN_CONFIG, type TrainConfig } from '../../src/common/train_config.js';
import { configFrom, type OpenedRun } from '../../src/coordinator/opened_run.js';
import { tinyState } from '../support/run_state.js';

it('a run that auto began as a graph goes on as one, whatever auto would choose today; others go on as they are told', () => {
  const resumed = (execution: TrainConfig['execution'], before: 'compiled' | 'xla'): TrainConfig['execution'] => {
    const saved = tinyState();
    const run = { saved: { ...saved, numerics: { ...saved.numerics, execution: before } } } as OpenedRun;
    return configFrom({ config: { ...DEFAULT_TRAIN_CONFIG, execution }, maxStepsRecorded: false }, run).execution;
  };
  expect(resumed('auto', 'compiled')).toBe('graph');
  expect(resumed('auto', 'xla')).toBe('auto');
  expect(resumed('xla', 'compiled')).toBe('xla');
  expect(resumed('graph', 'xla')).toBe('graph');
});
