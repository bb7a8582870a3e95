"""Makes test/models/keras: small files as tensorflowjs_converter writes them, of each kind that people have, with Keras's own predictions.

Made with Python 3.11, tensorflow-cpu 2.21.0, tf_keras 2.21.0, keras 3.15.1, tensorflowjs 4.22.0:
  pip install tensorflow-cpu==2.21.0 tf_keras==2.21.0 keras==3.15.1 "packaging" six "setuptools<81"
  pip install --no-deps tensorflowjs==4.22.0
  python scripts/make_keras_models.py test/models/keras
Every folder holds model.json, its weight files, and expected.json: { input: { shape, values }, output: { shape, values } }.
"""

import json
import os
import shutil
import sys
import tempfile
import types

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import h5py
import keras
import numpy as np
import tf_keras

# What tensorflowjs imports for formats that are not made here.
for name in ["tensorflow_hub", "tensorflow_decision_forests", "jax", "jax.experimental", "jax.experimental.jax2tf"]:
    sys.modules[name] = types.ModuleType(name)
sys.modules["jax"].experimental = sys.modules["jax.experimental"]
sys.modules["jax.experimental"].jax2tf = sys.modules["jax.experimental.jax2tf"]

from tensorflowjs.converters import converter, keras_h5_conversion, keras_tfjs_loader

PLACES = 6


def rounded(array):
    return {"shape": list(array.shape), "values": [round(float(v), PLACES) for v in array.reshape(-1)]}


def draw_weights(model, seed):
    """Of one random generator, small enough that nothing saturates; variances positive."""
    generator = np.random.default_rng(seed)
    values = []
    for weight, value in zip(model.weights, model.get_weights()):
        name = getattr(weight, "path", weight.name)
        drawn = generator.uniform(-0.6, 0.6, value.shape)
        values.append((np.abs(drawn) + 0.5 if "variance" in name else drawn).astype("float32"))
    model.set_weights(values)


def save(folder, model, inputs, write):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    draw_weights(model, 7)
    write(model, folder)
    if '"quantization":' in open(f"{folder}/model.json").read():
        # What the file holds is rounded: Keras predicts from that.
        model = keras_tfjs_loader.load_keras_model(f"{folder}/model.json")
    predicted = model.predict(inputs, verbose=0)
    named = predicted.items() if isinstance(predicted, dict) else zip(getattr(model, "output_names", []), predicted)
    outputs = {name: rounded(np.asarray(values)) for name, values in named} if not isinstance(predicted, np.ndarray) else None
    expected = {"input": rounded(inputs), **({"outputs": outputs} if outputs else {"output": rounded(np.asarray(predicted))})}
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(expected, file)
    print(os.path.basename(folder), [w["name"] for g in json.load(open(f"{folder}/model.json"))["weightsManifest"] for w in g["weights"]])


def keras2(**options):
    return lambda model, folder: keras_h5_conversion.save_keras_model(model, folder, **options)


def keras3_h5(model, folder):
    """model.save('x.h5') of Keras 3, then --input_format keras."""
    with tempfile.TemporaryDirectory() as temporary:
        model.save(f"{temporary}/m.h5")
        converter.dispatch_keras_h5_to_tfjs_layers_model_conversion(f"{temporary}/m.h5", output_dir=folder)


def keras3_keras(model, folder):
    """model.save('x.keras') of Keras 3, then --input_format keras_keras."""
    with tempfile.TemporaryDirectory() as temporary:
        model.save(f"{temporary}/m.keras")
        converter.dispatch_keras_keras_to_tfjs_layers_model_conversion(f"{temporary}/m.keras", output_dir=folder)


def waves(*shape):
    return np.sin(np.arange(np.prod(shape), dtype="float32") * 0.7).reshape(shape).astype("float32")


def tokens(*shape, most=7):
    return ((np.arange(np.prod(shape)) * 5 + 3) % most).reshape(shape).astype("float32")


def pictures(k):
    """Every weighted layer of a small MobileNet: batch norm, depthwise and separable convolutions, relu6."""
    x = entry = k.Input((6, 6, 2), name="picture")
    x = k.layers.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(x)
    x = k.layers.BatchNormalization(name="stem_norm")(x)
    x = k.layers.ReLU(6.0, name="stem_relu")(x)
    x = k.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", name="depthwise")(x)
    y = k.layers.SeparableConv2D(8, 3, depth_multiplier=2, padding="same", activation="relu", name="separable")(x)
    x = k.layers.Add(name="join")([x, y])
    x = k.layers.LeakyReLU(0.2, name="leaky")(x)
    x = k.layers.Conv2DTranspose(3, 2, strides=2, name="up")(x)
    x = k.layers.GlobalAveragePooling2D(name="pool")(x)
    return k.Model(entry, k.layers.Dense(3, activation="softmax", name="classes")(x), name="pictures")


def sequences(k):
    """Recurrent layers in wrappers, and dense layers of one shape whose names an alphabet would order otherwise."""
    model = k.Sequential(name="sequences")
    model.add(k.layers.Embedding(7, 4, name="words"))
    model.add(k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True), name="both"))
    model.add(k.layers.TimeDistributed(k.layers.Dense(5, activation="tanh"), name="each"))
    model.add(k.layers.GRU(5, reset_after=False, return_sequences=True, name="gru"))
    model.add(k.layers.SimpleRNN(5, name="rnn"))
    for name in ["dense_2", "dense_10", "dense_1"]:
        model.add(k.layers.Dense(5, activation="tanh", name=name))
    model.build((None, 6))
    return model


def nested(k):
    """A model in a model, both with layers of the same class."""
    base = k.Sequential([k.layers.Dense(4, activation="tanh", name="first"), k.layers.BatchNormalization(name="norm"), k.layers.Dense(4, name="second")], name="base")
    base.build((None, 4))
    entry = k.Input((4,), name="entry")
    x = k.layers.Dense(4, activation="relu", name="before")(entry)
    x = base(x)
    return k.Model(entry, k.layers.Dense(2, name="after")(x), name="outer")


def masked(k):
    """Steps of token 0 are left out; the state at the end is that of the last step that counts."""
    model = k.Sequential([k.layers.Embedding(7, 4, mask_zero=True, name="words"), k.layers.LSTM(3, return_sequences=True, name="first"), k.layers.LSTM(3, name="last"), k.layers.Dense(2, name="out")], name="masked")
    model.build((None, 6))
    return model


def transfer(k):
    """A base that is called with training=False, so that its batch norm and dropout are those of inference while the head trains."""
    base = k.Sequential([k.Input((4,)), k.layers.Dense(4, name="inner"), k.layers.BatchNormalization(name="norm"), k.layers.Dropout(0.5, name="drop")], name="base")
    base.trainable = False
    entry = k.Input((4,), name="entry")
    return k.Model(entry, k.layers.Dense(2, name="head")(base(entry, training=False)), name="transfer")


def varied(k):
    """Options that tfjs calls otherwise: activations, slopes, regularizers, constraints, initializers."""
    return k.Sequential([
        k.Input((4,)),
        k.layers.Dense(4, activation="gelu", kernel_regularizer=k.regularizers.L2(0.01), bias_regularizer=k.regularizers.L1(0.1), name="gelu"),
        k.layers.Dense(4, activation="swish", kernel_constraint=k.constraints.MaxNorm(2.0), kernel_initializer="lecun_normal", name="swish"),
        k.layers.ReLU(negative_slope=0.25, name="slope"),
        k.layers.ReLU(threshold=0.1, name="threshold"),
        k.layers.Dense(4, activation="elu", kernel_initializer=k.initializers.VarianceScaling(distribution="untruncated_normal"), name="elu"),
        k.layers.LayerNormalization(name="layer_norm"),
        k.layers.PReLU(name="prelu"),
        k.layers.Activation("softplus", name="softplus"),
        k.layers.Softmax(name="softmax"),
    ], name="varied")


def stacked(k):
    """Two cells in one recurrent layer, and a convolutional one."""
    x = entry = k.Input((3, 4, 4, 1), name="entry")
    x = k.layers.ConvLSTM2D(2, 2, return_sequences=True, recurrent_activation="sigmoid", name="video")(x)
    x = k.layers.TimeDistributed(k.layers.Flatten(), name="flat")(x)
    cells = [k.layers.LSTMCell(3, name="lower"), k.layers.LSTMCell(3, name="upper")]
    return k.Model(entry, k.layers.RNN(cells, name="stack")(x), name="stacked")


def perceptron(k):
    model = k.Sequential([k.Input((4,)), k.layers.Dense(8, activation="relu", name="a"), k.layers.Dense(8, activation="relu", name="b"), k.layers.Dense(3, name="c")], name="perceptron")
    return model


def compiled(k):
    model = perceptron(k)
    model.compile(optimizer="adam", loss="mse")
    model.fit(waves(8, 4), waves(8, 3), epochs=1, verbose=0)
    return model


def compiled_by_class(k):
    """With objects of Keras, from logits, and its clipping by the norm of all gradients."""
    model = perceptron(k)
    optimizer = k.optimizers.RMSprop(0.002, rho=0.8, momentum=0.5, global_clipnorm=2.0)
    model.compile(optimizer=optimizer, loss=k.losses.CategoricalCrossentropy(from_logits=True), metrics=["accuracy", k.metrics.MeanAbsoluteError()])
    model.fit(waves(8, 4), np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1]], epochs=1, verbose=0)
    return model


def heads(k, by_name=False):
    """Two outputs, each with a loss, a weight and metrics of its own."""
    entry = k.Input((4,), name="entry")
    body = k.layers.Dense(5, activation="tanh", name="body")(entry)
    kind = k.layers.Dense(3, activation="softmax", name="kind")(body)
    size = k.layers.Dense(2, name="size")(body)
    return k.Model(entry, {"a_size": size, "kind": kind} if by_name else [kind, size], name="heads")


def heads_by_name(k):
    model = heads(k)
    model.compile(optimizer=k.optimizers.SGD(0.1), loss={"size": k.losses.Huber(), "kind": "sparse_categorical_crossentropy"}, loss_weights={"kind": 1.0, "size": 0.3}, metrics={"kind": ["accuracy"], "size": ["mse", "mae"]})
    model.fit(waves(8, 4), [np.arange(8) % 3, waves(8, 2)], epochs=1, verbose=0)
    return model


def heads_in_lists(k):
    model = heads(k)
    model.compile(optimizer="adam", loss=["sparse_categorical_crossentropy", "mae"], loss_weights=[0.5, 2.0], metrics=[["accuracy"], ["mse"]])
    model.fit(waves(8, 4), [np.arange(8) % 3, waves(8, 2)], epochs=1, verbose=0)
    return model


def heads_of_keys(k):
    """Keras 3 models may give their outputs in a record, under other names than their layers'."""
    model = heads(k, by_name=True)
    model.compile(optimizer="adam", loss={"a_size": "mse", "kind": "sparse_categorical_crossentropy"}, loss_weights={"a_size": 0.25, "kind": 1.0})
    model.fit(waves(8, 4), {"kind": np.arange(8) % 3, "a_size": waves(8, 2)}, epochs=1, verbose=0)
    return model


def main(out):
    kinds = {"pictures": (pictures, waves(2, 6, 6, 2)), "sequences": (sequences, tokens(2, 6)), "nested": (nested, waves(3, 4)), "masked": (masked, np.array([[1, 2, 3, 4, 0, 0], [5, 6, 1, 0, 0, 0]], "float32")), "transfer": (transfer, waves(3, 4)), "varied": (varied, waves(3, 4)), "stacked": (stacked, waves(2, 3, 4, 4, 1))}
    for name, (make, inputs) in kinds.items():
        save(f"{out}/keras2_{name}", make(tf_keras), inputs, keras2())
        save(f"{out}/keras3_h5_{name}", make(keras), inputs, keras3_h5)
        save(f"{out}/keras3_keras_{name}", make(keras), inputs, keras3_keras)
    save(f"{out}/keras2_compiled", compiled(tf_keras), waves(3, 4), keras2())
    save(f"{out}/keras2_compiled_by_class", compiled_by_class(tf_keras), waves(3, 4), keras2())
    save(f"{out}/keras3_h5_compiled_by_class", compiled_by_class(keras), waves(3, 4), keras3_h5)
    save(f"{out}/keras3_keras_compiled_by_class", compiled_by_class(keras), waves(3, 4), keras3_keras)
    for name, make in {"heads_by_name": heads_by_name, "heads_in_lists": heads_in_lists}.items():
        save(f"{out}/keras2_{name}", make(tf_keras), waves(3, 4), keras2())
        save(f"{out}/keras3_h5_{name}", make(keras), waves(3, 4), keras3_h5)
        save(f"{out}/keras3_keras_{name}", make(keras), waves(3, 4), keras3_keras)
    save(f"{out}/keras3_keras_heads_of_keys", heads_of_keys(keras), waves(3, 4), keras3_keras)
    save(f"{out}/keras2_shards", perceptron(tf_keras), waves(3, 4), keras2(weight_shard_size_bytes=100))
    for dtype in ["uint8", "uint16", "float16"]:
        save(f"{out}/keras2_{dtype}", perceptron(tf_keras), waves(3, 4), keras2(quantization_dtype_map={dtype: "*"}))


main(sys.argv[1])
