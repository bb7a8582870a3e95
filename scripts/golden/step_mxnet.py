"""Owns: the golden steps in MXNet Gluon, the reference run's own framework, float32. Does not: write files (check.py)."""

import mxnet as mx
import numpy as np
from formula import LEARNING_RATE, STEPS
from layouts import layout_kind, to_nchw, to_tfjs
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

VERSION = "MXNet " + mx.__version__


def run(problem):
    net = nn.HybridSequential()
    shapes = {name: shape for name, shape, _ in problem.trained}

    def conv(index):
        return nn.Conv2D(shapes["conv%d/bias" % index][0], 3, activation="tanh")

    net.add(
        conv(1), conv(2), nn.BatchNorm(), nn.MaxPool2D(2, 2), conv(3), conv(4), nn.BatchNorm(), nn.MaxPool2D(2, 2),
        conv(5), nn.BatchNorm(), nn.Flatten(), nn.Dense(shapes["dense1/bias"][0], activation="tanh"), nn.Dense(10, activation="tanh"),
    )  # fmt: skip
    net.initialize()
    x = nd.array((problem.images.astype(np.float32) / np.float32(255)).transpose(0, 3, 1, 2))
    y = nd.array(problem.labels)
    net(x)  # gives the parameters their shapes
    parameters = list(net.collect_params().values())
    trained = [p for p in parameters if p.grad_req != "null"]
    moving = [p for p in parameters if p.grad_req == "null"]
    names = [name for name, _, _ in problem.trained]
    for name, parameter, value in zip(names, trained, problem.initial):
        parameter.set_data(nd.array(np.ascontiguousarray(to_nchw(value, layout_kind(name)))))
    for parameter, value in zip(moving, problem.initial[len(names) :]):
        parameter.set_data(nd.array(value))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": LEARNING_RATE})
    loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
    losses, result = [], {}
    for step in range(STEPS):
        with autograd.record():
            logits = net(x)
            loss = loss_fn(logits, y)
        loss.backward()
        losses.append(float(loss.asnumpy().sum()))
        if step == 0:
            result["logits"] = logits.asnumpy()
            result["gradients"] = [to_tfjs(p.grad().asnumpy(), layout_kind(n)) for n, p in zip(names, trained)]
        trainer.step(len(problem.labels))
        if step == 0:
            # After one update from 0 and 1: mean = moving / 0.1, variance = (moving - 0.9) / 0.1.
            moved = [p.data().asnumpy().astype(np.float64) for p in moving]
            result["statistics"] = [(m - 0.9 * (i % 2)) / 0.1 for i, m in enumerate(moved)]
    result["losses"] = losses
    result["weights"] = [to_tfjs(p.data().asnumpy(), layout_kind(n)) for n, p in zip(names, trained)]
    result["moving"] = [p.data().asnumpy() for p in moving]
    return result
