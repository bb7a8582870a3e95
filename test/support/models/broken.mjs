/** A model whose layer throws: in training, in evaluation alone, or when its gradient is asked for. */
function modelThatThrows(tf, when) {
  const broken = tf.customGrad((x) => ({
    value: x.clone(),
    gradFunc: () => {
      throw new Error('this gradient is broken');
    },
  }));
  class Broken extends tf.layers.Layer {
    call(inputs, kwargs) {
      const x = Array.isArray(inputs) ? inputs[0] : inputs;
      if (when === 'gradient') return broken(x);
      if (Boolean(kwargs.training) === (when === 'training')) throw new Error('this layer is broken');
      return x;
    }
    computeOutputShape(shape) {
      return shape;
    }
    static get className() {
      return 'Broken';
    }
  }
  tf.serialization.registerClass(Broken);
  const flat = tf.layers.flatten({ inputShape: [28, 28, 1] });
  const layers = [flat, tf.layers.dense({ units: 4 }), new Broken({}), tf.layers.dense({ units: 10 })];
  return tf.sequential({ layers });
}

export const createModel = (tf) => modelThatThrows(tf, process.env.BROKEN_IN ?? 'training');
