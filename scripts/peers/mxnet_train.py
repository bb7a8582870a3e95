"""MXNet Gluon, the reference run's own framework: images/s of one training step, hybridised with static memory. One JSON line.

    OMP_NUM_THREADS=2 python mxnet_train.py --threads 2
    OMP_NUM_THREADS=1 python mxnet_train.py --threads 1 --contexts 2      # split_and_load over two cpu contexts

`--threads` is OMP_NUM_THREADS, which must be set before the start; the program checks that they agree.
"""

import os
import sys

sys.argv, contexts = (
    [a for i, a in enumerate(sys.argv) if a != "--contexts" and (i == 0 or sys.argv[i - 1] != "--contexts")],
    int(sys.argv[sys.argv.index("--contexts") + 1]) if "--contexts" in sys.argv else 1,
)

import measure
import mxnet as mx
from mxnet import autograd, gluon, nd
from mxnet.gluon import nn

options = measure.parse(__doc__, ["gluon_cnn"], [("--imperative", "do not hybridise")])
if os.environ.get("OMP_NUM_THREADS") != str(options.threads):
    raise SystemExit("set OMP_NUM_THREADS=%d" % options.threads)
if options.precision == "bf16":
    from mxnet.contrib import amp

    amp.init(target_dtype="bfloat16")  # casts around convolutions and matrix products; weights stay fp32
devices = [mx.cpu(i) for i in range(contexts)]
net = nn.HybridSequential()
for kind, value in [
    ("conv", 64), ("conv", 64), ("drop", 0.2), ("norm", 0), ("pool", 2),
    ("conv", 128), ("conv", 128), ("drop", 0.25), ("norm", 0), ("pool", 2),
    ("conv", 256), ("drop", 0.25), ("norm", 0),
]:  # fmt: skip
    if kind == "conv":
        net.add(nn.Conv2D(value, 3, activation="tanh"))
    elif kind == "drop":
        net.add(nn.Dropout(value))
    elif kind == "norm":
        net.add(nn.BatchNorm())
    else:
        net.add(nn.MaxPool2D(2, 2))
net.add(nn.Flatten(), nn.Dense(512, activation="tanh"), nn.Dense(10, activation="tanh"))
net.initialize(mx.init.Xavier(magnitude=2.24), ctx=devices)
if not options.imperative:
    net.hybridize(static_alloc=True, static_shape=True)
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
loss_fn = gluon.loss.SoftmaxCrossEntropyLoss()
x = nd.random.uniform(shape=(options.batch, 1, 28, 28))
y = nd.array([i % 10 for i in range(options.batch)])


def step():
    xs = gluon.utils.split_and_load(x, devices, even_split=False)
    ys = gluon.utils.split_and_load(y, devices, even_split=False)
    with autograd.record():
        losses = [loss_fn(net(a), b) for a, b in zip(xs, ys)]
    for loss in losses:
        loss.backward()
    trainer.step(options.batch)
    value = sum(loss.sum().asscalar() for loss in losses)
    nd.waitall()
    return value


times = measure.step_times_ms(step, options.warmup, options.steps)
trained = sum(p.data(devices[0]).size for p in net.collect_params().values() if p.grad_req != "null")
measure.report("mxnet", mx.__version__, options, times, world=contexts, trained=trained)
