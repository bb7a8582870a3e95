/** A model whose layer throws: in training, or in evaluation alone. */
function modelThatThrows(tf, training) {
  class Broken extends tf.layers.Layer {
    call(x, kwargs) {
      if (Boolean(kwargs.training) === training) throw new Error('this layer is broken');
      return Array.isArray(x) ? x[0] : x;
    }
    computeOutputShape(shape) {
      return shape;
    }
    static get className() {
      return 'Broken';
    }
  }
  tf.serialization.registerClass(Broken);
  const layers = [tf.layers.flatten({ inputShape: [28, 28, 1] }), new Broken({}), tf.layers.dense({ units: 10 })];
  return tf.sequential({ layers });
}

export const createModel = (tf) => modelThatThrows(tf, process.env.BROKEN_IN !== 'evaluation');
