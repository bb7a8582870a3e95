"""Owns: the three benchmark networks in Keras. Does not: train them. The exact definitions are in README.md beside this file."""

import tensorflow as tf

L = tf.keras.layers


def norm():
    return L.BatchNormalization(momentum=0.9, epsilon=1e-5)


def gluon_cnn(width=1.0, dropout=True):
    """The reference network; `width` scales its channels (1 = 64, 128, 256, dense 512)."""
    a, b, c, d = (int(n * width) for n in (64, 128, 256, 512))

    def conv(n):
        return L.Conv2D(n, 3, activation="tanh")

    def drop(rate):
        return [L.Dropout(rate)] if dropout else []

    return tf.keras.Sequential([
        L.Input((28, 28, 1)),
        conv(a), conv(a), *drop(0.2), norm(), L.MaxPooling2D(2, 2),
        conv(b), conv(b), *drop(0.25), norm(), L.MaxPooling2D(2, 2),
        conv(c), *drop(0.25), norm(),
        L.Flatten(), L.Dense(d, activation="tanh"), L.Dense(10, activation="tanh"),
    ])  # fmt: skip


def resnet():
    def conv(n, kernel, stride):
        return L.Conv2D(n, kernel, stride, padding="same", use_bias=False)

    def block(x, n, stride):
        y = L.ReLU()(norm()(conv(n, 3, stride)(x)))
        y = norm()(conv(n, 3, 1)(y))
        if stride != 1 or x.shape[-1] != n:
            x = norm()(conv(n, 1, stride)(x))
        return L.ReLU()(L.Add()([y, x]))

    image = L.Input((32, 32, 3))
    x = L.ReLU()(norm()(conv(16, 3, 1)(image)))
    for n, stride in ((16, 1), (32, 2), (64, 2)):
        x = block(block(x, n, stride), n, 1)
    return tf.keras.Model(image, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


def mlp():
    return tf.keras.Sequential([L.Input((784,)), L.Dense(1024, activation="relu"), L.Dense(1024, activation="relu"), L.Dense(10)])


def table():
    return tf.keras.Sequential([L.Input((32,)), L.Dense(64, activation="relu"), L.Dense(32, activation="relu"), L.Dense(10)])


MODELS = {
    "gluon_cnn": (gluon_cnn, (28, 28, 1)),
    "resnet": (resnet, (32, 32, 3)),
    "mlp": (mlp, (784,)),
    "table": (table, (32,)),
}
