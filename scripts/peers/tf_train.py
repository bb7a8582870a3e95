"""TensorFlow/Keras: images/s of one training step (forward, backward, SGD) inside one tf.function. One JSON line.

    python tf_train.py --model gluon_cnn --threads 2 [--precision bf16] [--keras-policy] [--jit] [--plain-sgd] [--together]

bf16 is TensorFlow's automatic mixed precision for oneDNN, or with --keras-policy Keras' own mixed_bfloat16; in both the
weights and their update stay fp32.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import measure
import tensorflow as tf
from tf_models import MODELS

TOGETHER = 128

options = measure.parse(
    __doc__,
    list(MODELS),
    [
        ("--jit", "XLA (jit_compile=True)"),
        ("--keras-policy", "bf16 by Keras' mixed_bfloat16 instead of the graph rewriter"),
        ("--plain-sgd", "assign_sub instead of Keras' optimizer"),
        ("--together", f"{TOGETHER} steps in one call, as Keras' steps_per_execution; a step's time is a call's divided by them"),
    ],
)
tf.config.threading.set_intra_op_parallelism_threads(options.threads)
if options.precision == "bf16":
    if options.keras_policy:
        tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    else:
        tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
tf.random.set_seed(0)
build, shape = MODELS[options.model]
model = build()
trained = sum(int(tf.size(v)) for v in model.trainable_variables)
if options.count:
    print(options.model, "trained", trained, "all", model.count_params())
    raise SystemExit
x = tf.random.uniform((options.batch, *shape))
y = tf.random.uniform((options.batch,), 0, 10, "int32")
optimizer = tf.keras.optimizers.SGD(0.1)


@tf.function(jit_compile=options.jit)
def train(x, y):
    with tf.GradientTape() as tape:
        logits = tf.cast(model(x, training=True), tf.float32)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
    gradients = tape.gradient(loss, model.trainable_variables)
    if options.plain_sgd:
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.value.assign_sub(0.1 * gradient)
    else:
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    return loss


@tf.function
def several(x, y):
    loss = tf.constant(0.0)
    for _ in tf.range(TOGETHER):
        loss = train(x, y)
    return loss


call, steps = (several, TOGETHER) if options.together else (train, 1)
times = [ms / steps for ms in measure.step_times_ms(lambda: float(call(x, y)), options.warmup, options.steps)]
measure.report("tensorflow", tf.__version__, options, times, trained=trained)
