/** Owns: what a user is told to do about an op that TensorFlow refuses. */
import { describe, expect, it } from 'vitest';
import { TensorFlowError } from '../../../src/engine/index.js';
import { onExamples } from '../../../src/worker/replica/model_fails.js';

describe('an op that TensorFlow does not compute', () => {
  const thrown = (message: string): unknown => {
    try {
      onExamples(() => {
        throw new TensorFlowError('train_step', 'UNIMPLEMENTED', message);
      });
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it('is one to replace, or to compute elsewhere', () => {
    const next = expect.stringMatching(/^Replace the layer or op that it has no kernel for/) as string;
    expect(thrown('No OpKernel was registered')).toMatchObject({ code: 'MODEL_FAILS', next });
  });

  it('names the variable where only the same bits every time are refused', () => {
    const next = expect.stringContaining('set TF_DETERMINISTIC_OPS=0') as string;
    expect(thrown('A deterministic GPU implementation of AdjustContrast is not currently available.')).toMatchObject({ next });
    expect(thrown('Determinism is not yet supported in GPU implementation of Bincount.')).toMatchObject({ next });
  });
});
