import { describe, expect, it } from 'vitest';
import { numericsDifference } from '../../src/common/numerics_class.js';
import { tinyNumerics } from '../support/run_state.js';

describe('the difference of two numerics classes', () => {
  it('is none between equal ones', () => expect(numericsDifference(tinyNumerics, { ...tinyNumerics })).toBeNull());

  it.each([
    [{ oneDnn: 'on' }, 'oneDnn', 'set TF_ENABLE_ONEDNN_OPTS=0 in its environment'],
    [{ oneDnnIsa: 'AVX2' }, 'oneDnnIsa', 'leave ONEDNN_MAX_CPU_ISA out of its environment'],
    [{ intraOpThreads: 2 }, 'intraOpThreads', 'give --threads-per-worker 1'],
    [{ arithmetic: 2 }, 'arithmetic', 'use a version of tfjs-parallel whose arithmetic is 1'],
    [{ execution: 'eager' }, 'execution', 'leave --no-compile away'],
    [{ execution: 'xla' }, 'execution', 'give --execution graph'],
    [{ deviceModel: 'another' }, 'deviceModel', 'use the same kind of machine'],
    [{ probe: 'f'.repeat(64) }, 'probe', 'use the same kind of machine'],
  ] as const)('%j is named with its remedy', (change, item, remedy) => {
    expect(numericsDifference(tinyNumerics, { ...tinyNumerics, ...change })).toMatchObject({ item, remedy });
  });

  it('is told by its cause, not by the bits that follow from it', () => {
    const other = { ...tinyNumerics, probe: 'f'.repeat(64), oneDnn: 'on' } as const;
    expect(numericsDifference(tinyNumerics, other)).toMatchObject({ item: 'oneDnn', wanted: 'off', got: 'on' });
    expect(numericsDifference(other, tinyNumerics)?.remedy).toBe('set TF_ENABLE_ONEDNN_OPTS=1 in its environment');
    const old = { ...tinyNumerics, arithmetic: 0, oneDnn: 'unknown', probe: '' } as const;
    expect(numericsDifference(old, tinyNumerics)).toMatchObject({ item: 'arithmetic', wanted: 0, got: 1 });
  });
});
