import { join } from 'node:path';
import { expect, it } from 'vitest';
import { resolveModelSource } from '../../src/models/load.js';
import { compiledInFile } from '../../src/models/training_config.js';

const read = (training: Record<string, unknown>) => compiledInFile({ training, topology: {} });
const adam = (config: object) => ({
  loss: 'mse',
  optimizer_config: {
    class_name: 'Custom>Adam',
    config: { learning_rate: 0.001, beta_1: 0.8, beta_2: 0.99, epsilon: 1e-6, ...config },
  },
});

it('is found where tfjs, .h5 and .keras files have it, and nowhere else', () => {
  const found = { loss: 'mae' };
  const places = [
    { training: found, topology: {} },
    { training: null, topology: { training_config: found } },
    { training: null, topology: { model_config: { compile_config: found } } },
    { training: null, topology: { model_config: { compile_config: {} } } },
    { training: null, topology: { class_name: 'Sequential', config: {} } },
  ];
  expect(places.map((place) => compiledInFile(place)?.loss)).toEqual([
    ...Array.from({ length: 3 }, () => 'meanAbsoluteError'),
    ...[undefined, undefined],
  ]);
});

it('losses in every spelling, and what is not ours said in words', () => {
  const loss = (value: unknown, weights?: unknown): string => {
    const compiled = read({ loss: value, loss_weights: weights });
    return compiled?.loss ?? `? ${compiled?.unknownLoss}`;
  };
  const object = (className: string, config: object = {}) => ({
    module: 'keras.losses',
    class_name: className,
    config,
    registered_name: null,
  });
  const smooth = { reduction: 'sum_over_batch_size', name: 'x', from_logits: false, label_smoothing: 0.1, axis: -1 };
  expect([
    loss('meanSquaredError'),
    loss(['categorical_crossentropy']),
    loss({ head: 'kl_divergence' }),
    loss('cosine_similarity'),
    loss(object('SparseCategoricalCrossentropy', { from_logits: false, ignore_class: null, reduction: 'auto', name: 'x' })),
    loss(object('CategoricalCrossentropy', { ...smooth, label_smoothing: 0, from_logits: true })),
    loss(object('BinaryCrossentropy', { from_logits: true, label_smoothing: 0 })),
    loss(object('Huber', { delta: 1, reduction: 'SUM_OVER_BATCH_SIZE' })),
    loss(object('LossFunctionWrapper', { fn: 'log_cosh', reduction: 'auto' })),
    loss(object('CategoricalCrossentropy', smooth)),
    loss(object('Huber', { delta: 2 })),
    loss(object('MeanSquaredError', { reduction: 'sum' })),
    loss('ctc'),
    loss(['mse', 'mae']),
  ]).toMatchInlineSnapshot(`
    [
      "mean_squared_error",
      "categoricalCrossentropy",
      "kullbackLeiblerDivergence",
      "cosineProximity",
      "sparseCategoricalCrossentropy",
      "softmax_cross_entropy_from_logits",
      "sigmoid_cross_entropy_from_logits",
      "huber",
      "logcosh",
      "? the loss CategoricalCrossentropy with label_smoothing 0.1",
      "? the loss Huber with delta 2",
      "? the loss MeanSquaredError with reduction "sum"",
      "? the loss ctc, which is not known here",
      "? 2 losses for one output",
    ]
  `);
});

it('of several outputs: a loss, a weight and metrics each, in lists and records', () => {
  const of = (training: Record<string, unknown>, more: object = {}) => {
    const topology = {
      class_name: 'Functional',
      config: {
        output_layers: [
          ['a', 0, 0],
          ['b', 0, 0],
        ],
      },
      ...more,
    };
    const { loss, unknownLoss, lossWeights, metrics, notes } = compiledInFile({ training, topology }) ?? {};
    return Object.values({ loss, unknownLoss, lossWeights: lossWeights?.join(), metrics: metrics?.join(), notes: notes?.join() })
      .filter((value) => value !== undefined && value !== null)
      .join(' | ');
  };
  const oneOutput = (weights: unknown) => read({ loss: 'mse', loss_weights: weights })?.lossWeights;
  expect([
    of({ loss: 'mse', metrics: ['mae', 'acc'] }),
    of({ loss: 'mse', metrics: ['mae', 'acc'] }, { keras_version: '3.15.1' }),
    of({ loss: ['mse', 'mae'], loss_weights: [1, 0.5], metrics: [[], ['mse']] }),
    of({ loss: { b: 'mse', a: { class_name: 'Huber', config: { delta: 2 } } }, loss_weights: { b: 2 } }),
    of({ loss: { b: 'mse' }, metrics: { b: 'mae' }, loss_weights: [1, 1] }),
    of({ loss: { a: 'mse', c: 'mae' } }),
    of({ loss: [null, 'mse'], metrics: [null, 'MeanIoU'] }),
    of({ loss: 'mse' }, { config: { output_layers: { x: ['a', 0, 0], b: ['b', 0, 0] } } }),
    of(
      { loss: { x: 'mse', b: 'mae' }, loss_weights: { x: 3 } },
      { config: { output_layers: { x: ['a', 0, 0], b: ['b', 0, 0] } } },
    ),
  ]).toMatchInlineSnapshot(`
    [
      "a=mean_squared_error, b=mean_squared_error | a=mae,a=acc,b=mae,b=acc",
      "a=mean_squared_error, b=mean_squared_error | a=mae,b=acc",
      "a=mean_squared_error, b=meanAbsoluteError | a=1,b=0.5 | b=mse",
      "b=mean_squared_error | the loss Huber with delta 2 for a | b=2",
      "b=mean_squared_error | b=mae",
      "a=mean_squared_error | a loss for c, which is none of its outputs",
      "b=mean_squared_error | the model is compiled with the metric MeanIoU, which is not known here and left out",
      "a=mean_squared_error, b=mean_squared_error",
      "a=mean_squared_error, b=meanAbsoluteError | a=3",
    ]
  `);
  expect([oneOutput([0.5]), oneOutput(0.5), oneOutput({ any: 0.5 }), oneOutput([1]), oneOutput(null)]).toEqual([
    ...[['0.5'], ['0.5']],
    ...[['0.5'], undefined, undefined],
  ]);
});

it('metrics: what is known by name, once; the rest in a note', () => {
  const wrapped = (fn: string) => ({ class_name: 'MeanMetricWrapper', config: { name: 'acc', dtype: 'float32', fn } });
  const compiled = read({
    loss: 'mse',
    metrics: [
      [
        wrapped('categorical_accuracy'),
        'acc',
        { class_name: 'AUC', config: { num_thresholds: 200, curve: 'ROC' } },
        'MeanIoU',
        'mae',
      ],
    ],
  });
  expect(compiled).toMatchObject({ metrics: ['categorical_accuracy', 'acc', 'auc', 'mae'] });
  expect(compiled?.notes).toEqual(['the model is compiled with the metric MeanIoU, which is not known here and left out']);
  expect([read({ loss: 'mse', metrics: {} })?.metrics, read({ loss: 'mse', metrics: null })?.metrics]).toEqual([null, null]);
});

it('optimizers of tfjs and Keras, with their settings; clipping and what else is not ours refused by its name', () => {
  const optimizer = (training: Record<string, unknown>) => {
    const found = read(training)?.optimizer;
    return found?.settings ?? `${found?.refusal?.code}: ${found?.refusal?.message}`;
  };
  const keras = (className: string, config: object) => ({ loss: 'mse', optimizer_config: { class_name: className, config } });
  expect([
    optimizer(keras('Adam', { learningRate: 0.1, beta1: 0.8, beta2: 0.9, epsilon: 1e-3 })),
    optimizer(keras('Momentum', { learningRate: 0.1, momentum: 0.5, useNesterov: true })),
    optimizer(adam({ clipnorm: null, global_clipnorm: 2, clipvalue: null, amsgrad: false, use_ema: false, weight_decay: null })),
    optimizer(keras('SGD', { learning_rate: 0.01, momentum: 0.9, nesterov: true, weight_decay: null })),
    optimizer(keras('RMSprop', { lr: 0.002, rho: 0.8, momentum: 0, epsilon: null, centered: false, decay: 0 })),
    optimizer(keras('AdamW', { learning_rate: 0.002, weight_decay: 0.004 })),
    optimizer({ loss: 'mse', optimizer: 'adam' }),
    optimizer(adam({ clipvalue: 0.5 })),
    optimizer(adam({ clipnorm: 1 })),
    optimizer(adam({ amsgrad: true })),
    optimizer(adam({ weight_decay: 0.1 })),
    optimizer(adam({ learning_rate: { class_name: 'ExponentialDecay', config: {} } })),
    optimizer(keras('Adadelta', { learning_rate: 1 })),
    optimizer(keras('Nadam', { learning_rate: 0.001 })),
    optimizer({ loss: 'mse' }),
  ]).toMatchInlineSnapshot(`
    [
      {
        "beta1": 0.8,
        "beta2": 0.9,
        "epsilon": 0.001,
        "learningRate": 0.1,
        "name": "adam",
      },
      {
        "learningRate": 0.1,
        "momentum": 0.5,
        "name": "sgd",
        "nesterov": true,
      },
      {
        "beta1": 0.8,
        "beta2": 0.99,
        "clipNorm": 2,
        "epsilon": 0.000001,
        "learningRate": 0.001,
        "name": "adam",
      },
      {
        "learningRate": 0.01,
        "momentum": 0.9,
        "name": "sgd",
        "nesterov": true,
      },
      {
        "learningRate": 0.002,
        "momentum": 0,
        "name": "rmsprop",
        "rho": 0.8,
      },
      {
        "learningRate": 0.002,
        "name": "adamw",
        "weightDecay": 0.004,
      },
      {
        "learningRate": 0.001,
        "name": "adam",
      },
      "OPTIMIZER_SETTING: the model's optimizer Adam has clipvalue 0.5, which a run does not do: each value of the gradient is cut off",
      "OPTIMIZER_SETTING: the model's optimizer Adam has clipnorm 1, which a run does not do: each weight's gradient has a largest norm of its own (optimizer.clip_norm is that of all together, Keras's global_clipnorm)",
      "OPTIMIZER_SETTING: the model's optimizer Adam has amsgrad true, which a run does not do: the largest second moment so far divides the step",
      "OPTIMIZER_SETTING: the model's optimizer Adam has weight_decay 0.1, which a run does not do: the weights themselves decay, which only adamw does here",
      "OPTIMIZER_SETTING: the model's optimizer Adam has the learning rate ExponentialDecay, which a run does not do: it is a schedule of Keras (optimizer.schedule has others)",
      "OPTIMIZER_UNSUPPORTED: the model was compiled with the optimizer Keras's Adadelta; what its update computes is not known here",
      "OPTIMIZER_UNSUPPORTED: the model was compiled with the optimizer Keras's Nadam; what its update computes is not known here",
      "undefined: undefined",
    ]
  `);
});

it.each(['keras2', 'keras3_h5', 'keras3_keras'])('what Keras itself wrote for two outputs (%s)', async (maker) => {
  const compiled = async (kind: string) => {
    const source = await resolveModelSource(join(import.meta.dirname, 'keras', `${maker}_heads_${kind}`, 'model.json'));
    return source.kind === 'topology' ? source.compiled : undefined;
  };
  const accuracy = maker === 'keras2' ? 'sparse_categorical_accuracy' : 'accuracy';
  const long = maker === 'keras2' ? ['mean_squared_error', 'mean_absolute_error'] : ['mse', 'mae'];
  expect(await compiled('by_name')).toMatchObject({
    loss: 'kind=sparseCategoricalCrossentropy, size=huber',
    lossWeights: ['kind=1', 'size=0.3'],
    metrics: [`kind=${accuracy}`, ...long.map((name) => `size=${name}`)],
  });
  expect(await compiled('in_lists')).toMatchObject({
    loss: 'kind=sparseCategoricalCrossentropy, size=meanAbsoluteError',
    lossWeights: ['kind=0.5', 'size=2'],
    metrics: [`kind=${accuracy}`, `size=${long[0]}`],
  });
  if (maker !== 'keras3_keras') return;
  // Of a Keras 3 model with named outputs: a run calls them by their layers.
  expect(await compiled('of_keys')).toMatchObject({
    loss: 'size=mean_squared_error, kind=sparseCategoricalCrossentropy',
    lossWeights: ['size=0.25', 'kind=1'],
  });
});

it.each(['keras2', 'keras3_h5', 'keras3_keras'])('what Keras itself wrote (%s_compiled_by_class)', async (maker) => {
  const file = join(import.meta.dirname, 'keras', `${maker}_compiled_by_class`, 'model.json');
  const source = await resolveModelSource(file);
  const compiled = source.kind === 'topology' ? source.compiled : undefined;
  // tf_keras says what `accuracy` was resolved to, Keras 3 what was asked for.
  const accuracy = maker === 'keras2' ? 'categorical_accuracy' : 'accuracy';
  expect(compiled).toMatchObject({ loss: 'softmax_cross_entropy_from_logits', metrics: [accuracy, 'meanAbsoluteError'] });
  expect(compiled?.notes).toBeUndefined();
  const settings = { name: 'rmsprop', learningRate: 0.0020000000949949026, rho: 0.8, momentum: 0.5, epsilon: 1e-7, clipNorm: 2 };
  expect(compiled?.optimizer).toMatchObject({ settings, refusal: null });
});
