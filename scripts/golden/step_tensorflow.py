"""Owns: the golden steps in Keras on TensorFlow, float32, moving statistics by Keras itself. Does not: write files (check.py)."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from formula import LEARNING_RATE, STEPS

VERSION = "TensorFlow " + tf.__version__
L = tf.keras.layers


def build(problem):
    shapes = {name: shape for name, shape, _ in problem.trained}

    def conv(index):
        return L.Conv2D(shapes["conv%d/bias" % index][0], 3, activation="tanh")

    def norm():
        return L.BatchNormalization(momentum=0.9, epsilon=1e-5)

    return tf.keras.Sequential([
        L.Input((28, 28, 1)),
        conv(1), conv(2), norm(), L.MaxPooling2D(2, 2),
        conv(3), conv(4), norm(), L.MaxPooling2D(2, 2),
        conv(5), norm(), L.Flatten(),
        L.Dense(shapes["dense1/bias"][0], activation="tanh"), L.Dense(10, activation="tanh"),
    ])  # fmt: skip


def run(problem):
    model = build(problem)
    variables = model.trainable_variables + model.non_trainable_variables
    for variable, value in zip(variables, problem.initial):
        assert tuple(variable.shape) == value.shape, (variable.path, variable.shape, value.shape)
        variable.assign(value)
    x, y = tf.constant(problem.images.astype(np.float32) / np.float32(255)), tf.constant(problem.labels)

    @tf.function
    def compute():
        with tf.GradientTape() as tape:
            logits = model(x, training=True)
            loss = tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        return loss, logits, tape.gradient(loss, model.trainable_variables)

    losses, result = [], {}
    for step in range(STEPS):
        loss, logits, gradients = compute()
        losses.append(float(loss))
        if step == 0:
            result["logits"] = logits.numpy()
            result["gradients"] = [g.numpy() for g in gradients]
            # After one update from 0 and 1: mean = moving / 0.1, variance = (moving - 0.9) / 0.1.
            moved = [v.numpy().astype(np.float64) for v in model.non_trainable_variables]
            result["statistics"] = [(m - 0.9 * (i % 2)) / 0.1 for i, m in enumerate(moved)]
        for variable, gradient in zip(model.trainable_variables, gradients):
            variable.assign(variable - LEARNING_RATE * (gradient / len(problem.labels)))
    result["losses"] = losses
    result["weights"] = [v.numpy() for v in model.trainable_variables]
    result["moving"] = [v.numpy() for v in model.non_trainable_variables]
    return result
