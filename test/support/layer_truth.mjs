/**
 * What plain tfjs makes of every branch of layer_walk.mjs in two steps of sgd: run as `node layer_truth.mjs float64|float32`, the numbers come as JSON
 * on standard input and output. In float64, tfjs's own CPU backend computes in it, because every Float32Array that it makes is one of doubles.
 */
const { precision, x, y, count, rate, initial } = JSON.parse(await readAll(process.stdin));
if (precision === 'float64') globalThis.Float32Array = Float64Array;
const tf = await import('@tensorflow/tfjs');
await tf.setBackend('cpu');
const { branch, branches } = await import('./models/layer_walk.mjs');

/** The CPU backend's gradient of nearest neighbors is the first example's for the whole batch, so examples are taken one by one. */
const ONE_BY_ONE = new Set(['UpSampling2D']);

const after = {};
for (const one of branches(tf)) {
  const entry = tf.input({ shape: [x.length / count] });
  const model = tf.model({ inputs: entry, outputs: branch(tf, entry, one) });
  model.setWeights(model.weights.map(({ originalName, shape }) => tf.tensor(initial[originalName], shape)));
  const rows = ONE_BY_ONE.has(one.name) ? Array.from({ length: count }, (_, row) => [row, 1]) : [[0, count]];
  const inputs = tf.tensor(x, [count, x.length / count]);
  const targets = tf.tensor(y[one.frozen ? `${one.name}, frozen` : one.name], [count, 2]);
  const variables = model.trainableWeights.map(({ val }) => val);
  for (let step = 0; step < 2; step++) {
    const gradients = rows.map(([from, size]) => {
      const loss = () => {
        const given = model.apply(inputs.slice([from], [size]), { training: true });
        return tf.sum(tf.squaredDifference(given, targets.slice([from], [size]))).div(2 * count);
      };
      return tf.variableGrads(loss, variables).grads;
    });
    for (const variable of variables)
      variable.assign(gradients.reduce((value, grads) => value.sub(grads[variable.name].mul(rate)), variable));
  }
  for (const { originalName, val } of model.weights) after[originalName] = [...val.dataSync()];
}
process.stdout.write(JSON.stringify(after));

async function readAll(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
