import { describe, expect, it } from 'vitest';
import { createBucketLayout } from '../../../../src/common/bucket_layout.js';
import { namesOf, topologySha256 } from '../../../../src/coordinator/storage/state/saved_names.js';
import { requireSameRun, requireSameSettings } from '../../../../src/coordinator/storage/state/state_match.js';
import type { Present } from '../../../../src/coordinator/storage/state/state_match.js';
import { tinyData, tinyModel, tinyNumerics, tinyState } from '../../../support/run_state.js';

const present: Present = {
  model: tinyModel,
  data: tinyData,
  numerics: tinyNumerics,
  numericsCheck: 'strict',
  run: 'runs/mnist-001',
};
const refusal = (change: Partial<Present>) => {
  try {
    requireSameRun(tinyState(), { ...present, ...change });
    return 'accepted';
  } catch (error) {
    const { code, message, next } = error as { code: string; message: string; next: string };
    return `${code}: ${message}\n→ ${next}`;
  }
};
const withWeights = (weights: { name: string; shape: number[]; statisticMomentum?: number }[], trained: number) => ({
  ...tinyModel,
  layout: createBucketLayout({ weights, trained }),
});
const weights = [
  { name: 'dense/kernel', shape: [3, 2] },
  { name: 'dense/bias', shape: [2] },
  { name: 'batch_norm/moving_mean', shape: [2], statisticMomentum: 0.9 },
  { name: 'batch_norm/moving_variance', shape: [2], statisticMomentum: 0.9 },
];

describe('resuming', () => {
  it('accepts the same model, data and arithmetic', () => expect(refusal({})).toBe('accepted'));

  it('names the tensor of another model', () => {
    expect(refusal({ model: withWeights([{ name: 'dense/kernel', shape: [3, 5] }, ...weights.slice(1)], 2) }))
      .toMatchInlineSnapshot(`
      "RESUME_MODEL_DIFFERS: runs/mnist-001 was saved with another model: weight 1 is dense/kernel [3, 2] there, dense/kernel [3, 5] here
      → continue with what the run was started with, or start a new run from its weights with --init-from runs/mnist-001"
    `);
    expect(refusal({ model: withWeights(weights.slice(0, 2), 2) })).toContain(
      'weight 3 is batch_norm/moving_mean [2] (not trained) there, absent here',
    );
    expect(refusal({ model: withWeights([...weights, { name: 'more', shape: [] }], 2) })).toContain(
      'weight 5 is absent there, more [] (not trained) here',
    );
    expect(refusal({ model: withWeights(weights, 1) })).toContain(
      'weight 2 is dense/bias [2] there, dense/bias [2] (not trained) here',
    );
  });

  describe('where names of layers differ', () => {
    const layer = (name: string, className = 'Dense') => ({ class_name: className, config: { name, units: 2 } });
    const topologyOf = (model: string, ...layers: object[]): string =>
      JSON.stringify({ class_name: 'Model', config: { name: model, layers }, backend: 'tensor_flow.js' });
    const modelOf = (topology: string, ...names: string[]) => ({
      ...withWeights(
        names.map((name) => ({ name: `${name}/kernel`, shape: [3, 2] })),
        names.length,
      ),
      topology,
    });
    const outcome = (then: ReturnType<typeof modelOf>, now: ReturnType<typeof modelOf>, names = true) => {
      const saved = { name: 'first', topologySha256: topologySha256(then), layout: then.layout };
      const state = { ...tinyState(), model: names ? { ...saved, names: namesOf(then) } : saved };
      try {
        const { topology, layout } = requireSameRun(state, { ...present, model: now });
        return { topology, weights: layout.slots.map(({ name }) => name) };
      } catch (error) {
        return (error as Error).message;
      }
    };
    const [first, second] = [
      modelOf(
        topologyOf('model1', layer('dense_Dense9'), layer('mine'), layer('dense_Dense10')),
        'dense_Dense9',
        'dense_Dense10',
      ),
      modelOf(
        topologyOf('model2', layer('dense_Dense10'), layer('mine'), layer('dense_Dense11')),
        'dense_Dense10',
        'dense_Dense11',
      ),
    ];

    it('takes the model under the saved ones where tfjs counted them', () => {
      const as = { topology: first.topology, weights: first.layout.slots.map(({ name }) => name) };
      expect(outcome(first, second)).toEqual(as);
      expect(outcome(second, first)).toMatchObject({ topology: second.topology });
      // A state of before names were kept knows the model's alone.
      expect(outcome(first, second, false)).toContain(
        'weight 1 is dense_Dense9/kernel [3, 2] there, dense_Dense10/kernel [3, 2] here',
      );
      const [named, other] = ['first', 'second'].map((model) => modelOf(topologyOf(model, layer('a')), 'a'));
      expect(outcome(named, other, false)).toMatchObject({ topology: named.topology });
    });

    it('says which was given, and against which', () => {
      const given = modelOf(first.topology.replaceAll('mine', 'yours'), 'dense_Dense9', 'dense_Dense10');
      expect(outcome(first, given)).toBe(
        'runs/mnist-001 was saved with other names: its layers are the same, and mine there is called yours here: a name that was given is part of the model',
      );
      // Of another class, a counted name was given.
      const odd = modelOf(topologyOf('model1', layer('conv2d_Conv2D3')), 'conv2d_Conv2D3');
      const one = modelOf(topologyOf('model1', layer('dense_Dense1')), 'dense_Dense1');
      expect(outcome(odd, one)).toContain('conv2d_Conv2D3 there is called dense_Dense1 here');
      expect(outcome(one, odd)).toContain('dense_Dense1 there is called conv2d_Conv2D3 here');
    });

    it('says what else is other layers', () => {
      const wider = modelOf(second.topology.replace('"units":2', '"units":3'), 'dense_Dense10', 'dense_Dense11');
      expect(outcome(first, wider)).toContain('weight 1 is dense_Dense9/kernel');
      expect(outcome(first, { ...wider, layout: first.layout })).toContain('all weights agree, but the layers do not');
    });
  });

  it('names a momentum that changed', () => {
    const model = withWeights([...weights.slice(0, 3), { ...weights[3], statisticMomentum: 0.99 }], 2);
    expect(refusal({ model })).toContain(
      "the moving statistics' momentum is batch_norm/moving_variance 0.9 there, batch_norm/moving_variance 0.99 here",
    );
  });

  it('notices layers that changed without changing a weight', () => {
    expect(refusal({ model: { ...tinyModel, topology: '{"class_name":"Model"}' } })).toContain(
      'all weights agree, but the layers do not',
    );
  });

  it('names what differs in the data', () => {
    expect(refusal({ data: { ...tinyData, train: 5900 } })).toContain(
      'RESUME_DATA_DIFFERS: runs/mnist-001 was trained on other data: train was 60000 (MNIST), is 5900 (MNIST)',
    );
    expect(refusal({ data: { ...tinyData, sha256: 'cd'.repeat(32) } })).toContain('sha256 was abab');
  });

  it('names what differs in the arithmetic, unless told that it may', () => {
    const numerics = { ...tinyNumerics, intraOpThreads: 2 };
    expect(refusal({ numerics })).toContain('RESUME_NUMERICS_DIFFERS');
    expect(refusal({ numerics })).toContain('intraOpThreads was 1, is 2');
    expect(refusal({ numerics, numericsCheck: 'relaxed' })).toBe('accepted');
    const other = { ...tinyNumerics, arithmetic: 2, probe: 'f'.repeat(64) };
    expect(refusal({ numerics: other })).toContain('arithmetic was 1, is 2');
  });
});

describe('settings of a resumed run', () => {
  const config = tinyState().config;
  const outcome = (change: object, shards = 2) => {
    try {
      requireSameSettings(tinyState(), { config: { ...config, ...change }, shards, run: 'runs/mnist-001' });
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };

  it('may change what the weights do not depend on, and how long to train', () => {
    expect(outcome({ epochs: 500, maxSteps: 7, workers: 4, keep: 1, runDir: 'elsewhere', gpus: '0' })).toBe('accepted');
  });

  it('are refused, by name, where the weights depend on them', () => {
    expect(outcome({ batch: 198 })).toBe('runs/mnist-001 was saved with batch 200, and is to go on with 198');
    expect(outcome({ trainLimit: 5900 })).toBe('runs/mnist-001 was saved with train_limit null, and is to go on with 5900');
    expect(outcome({}, 3)).toBe('runs/mnist-001 was saved with shards 2, and is to go on with 3');
    expect(outcome({ optimizer: { ...config.optimizer, momentum: 0.9 } })).toBe(
      'runs/mnist-001 was saved with optimizer.momentum 0, and is to go on with 0.9',
    );
  });
});
