/**
 * What plain tfjs's optimizers make of constraint_walk.mjs in two steps, constraints after each: run as `node optimizer_truth.mjs`, numbers come as JSON on
 * standard input and output. In float64 every Float32Array that tfjs's CPU backend makes is one of doubles.
 */
const { precision, x, y, count, optimizers, initial } = JSON.parse(await readAll(process.stdin));
if (precision === 'float64') globalThis.Float32Array = Float64Array;
const tf = await import('@tensorflow/tfjs');
await tf.setBackend('cpu');
const { createModel, FEATURES } = await import('./models/constraint_walk.mjs');

const MAKE = {
  sgd: ({ rate, momentum = 0, nesterov = false }) =>
    momentum === 0 ? tf.train.sgd(rate) : tf.train.momentum(rate, momentum, nesterov),
  adagrad: ({ rate, initial_accumulator_value: initialValue }) => tf.train.adagrad(rate, initialValue),
  adadelta: ({ rate, rho, epsilon }) => tf.train.adadelta(rate, rho, epsilon),
  adam: ({ rate, beta1, beta2, epsilon }) => tf.train.adam(rate, beta1, beta2, epsilon),
  adamax: ({ rate, beta1, beta2, epsilon }) => tf.train.adamax(rate, beta1, beta2, epsilon),
  rmsprop: ({ rate, rho, momentum, epsilon }) => tf.train.rmsprop(rate, rho, momentum, epsilon),
};
MAKE.adamw = MAKE.adam;

const after = {};
const [inputs, targets] = [tf.tensor(x, [count, FEATURES]), tf.tensor(y, [count, y.length / count])];
for (const [key, { name, learning_rate: rate, weight_decay: decay = 0, ...own }] of Object.entries(optimizers)) {
  const model = createModel(tf);
  // Not setWeights, which holds weights to their constraints.
  for (const { originalName, val, shape } of model.weights) val.assign(tf.tensor(initial[originalName], shape));
  const optimizer = MAKE[name]({ rate, ...own });
  const variables = model.trainableWeights.map(({ val }) => val);
  for (let step = 0; step < 2; step++) {
    const loss = () => tf.losses.meanSquaredError(targets, model.apply(inputs, { training: true }));
    const { grads } = tf.variableGrads(loss, variables);
    for (const variable of variables) if (decay > 0) variable.assign(variable.mul(1 - rate * decay));
    optimizer.applyGradients(grads);
    for (const weight of model.trainableWeights) if (weight.constraint) weight.val.assign(weight.constraint.apply(weight.val));
  }
  after[key] = Object.fromEntries(model.weights.map(({ originalName, val }) => [originalName, [...val.dataSync()]]));
}
process.stdout.write(JSON.stringify(after));

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
