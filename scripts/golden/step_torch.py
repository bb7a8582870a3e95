"""Owns: the golden steps in PyTorch, float64 or float32. Does not: write files (make.py, check.py)."""

import numpy as np
import torch
import torch.nn.functional as F
from formula import LEARNING_RATE, STEPS
from layouts import layout_kind, to_nchw, to_tfjs

VERSION = "PyTorch " + torch.__version__


def run(problem, dtype="float64"):
    """Results in tfjs layout: losses, logits, gradients, weights, moving, statistics; and the smallest lead of a pooling window's
    maximum over its second value, which tells how far a rounding error is from choosing another pixel."""
    real = torch.float64 if dtype == "float64" else torch.float32
    names = [name for name, _, _ in problem.trained]
    parameters = {
        name: torch.tensor(np.ascontiguousarray(to_nchw(value, layout_kind(name))), dtype=real, requires_grad=True)
        for name, value in zip(names, problem.initial)
    }
    moving = [torch.tensor(v, dtype=real) for v in problem.initial[len(names) :]]
    x = torch.tensor(problem.images.astype(np.float32) / np.float32(255)).to(real).permute(0, 3, 1, 2)
    y = torch.tensor(problem.labels, dtype=torch.int64)
    statistics, lead = [], [float("inf")]

    def conv(index, h):
        return torch.tanh(F.conv2d(h, parameters["conv%d/kernel" % index], parameters["conv%d/bias" % index]))

    def norm(index, h):
        statistics.append(h.detach().mean((0, 2, 3)))
        statistics.append(h.detach().var((0, 2, 3), unbiased=False))
        return F.batch_norm(h, None, None, parameters["norm%d/gamma" % index], parameters["norm%d/beta" % index], True, 0.0, 1e-5)

    def pool(h):
        top = F.unfold(h.detach().flatten(0, 1)[:, None], 2, stride=2).topk(2, dim=1).values
        lead[0] = min(lead[0], float((top[:, 0] - top[:, 1]).min()))
        return F.max_pool2d(h, 2)

    losses, result = [], {}
    for step in range(STEPS):
        statistics.clear()
        h = pool(norm(1, conv(2, conv(1, x))))
        h = pool(norm(2, conv(4, conv(3, h))))
        h = norm(3, conv(5, h)).flatten(1)
        h = torch.tanh(F.linear(h, parameters["dense1/kernel"], parameters["dense1/bias"]))
        logits = torch.tanh(F.linear(h, parameters["dense2/kernel"], parameters["dense2/bias"]))
        loss = F.cross_entropy(logits, y, reduction="sum")
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        losses.append(loss.item())
        if step == 0:
            result["logits"] = logits.detach().numpy().copy()
            result["gradients"] = [to_tfjs(g.numpy(), layout_kind(n)).copy() for n, g in zip(names, gradients)]
            result["statistics"] = [s.numpy().copy() for s in statistics]
        with torch.no_grad():
            for parameter, gradient in zip(parameters.values(), gradients):
                parameter -= LEARNING_RATE * (gradient / len(y))
            moving = [0.9 * m + 0.1 * s for m, s in zip(moving, statistics)]
    result["losses"] = losses
    result["weights"] = [to_tfjs(p.detach().numpy(), layout_kind(n)).copy() for n, p in parameters.items()]
    result["moving"] = [m.numpy() for m in moving]
    result["pool_lead"] = lead[0]
    return result
