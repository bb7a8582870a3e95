"""Owns: the golden problem, made of integers: initial weights, images, labels, projection signs. Does not: compute a step.

test/support/golden_formula.ts is the same in TypeScript; both give the same bits (test/golden/formula.test.ts). Tensors
are in tfjs layout: convolution kernels HWIO, dense kernels (inputs, outputs) with inputs in NHWC order.
"""

import numpy as np

M32 = np.uint64(0xFFFFFFFF)
STREAM_IMAGES, STREAM_LABELS, STREAM_BLOCKS, STREAM_PROJECTIONS = 1000, 1001, 1002, 2000
BATCH, CLASSES, STEPS, LEARNING_RATE = 8, 10, 5, 0.1
PROJECTIONS = 16


def mix(x):
    """32-bit integer hash 'lowbias32' (Chris Wellons, hash-prospector), on uint64 arrays that hold 32-bit values."""
    x = np.asarray(x, np.uint64) & M32
    x = ((x ^ (x >> np.uint64(16))) * np.uint64(0x7FEB352D)) & M32
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x846CA68B)) & M32
    return x ^ (x >> np.uint64(16))


def hashes(seed, stream, count):
    return mix(np.arange(count, dtype=np.uint64) ^ mix(np.uint64(stream) ^ mix(seed)))


def signed_unit(seed, stream, count):
    """Values in [-1, 1): the hash's upper 24 bits, exact in float64."""
    return (hashes(seed, stream, count) >> np.uint64(8)).astype(np.float64) / 2.0**23 - 1.0


def tensors(width):
    """(name, shape, kind) in `model.weights` order of tfjs: trained first, moving statistics after."""
    c1, c2, c3, d = (int(n * width) for n in (64, 128, 256, 512))
    trained, moving = [], []

    def conv(index, inputs, outputs):
        trained.append(("conv%d/kernel" % index, (3, 3, inputs, outputs), "kernel"))
        trained.append(("conv%d/bias" % index, (outputs,), "bias"))

    def norm(index, channels):
        trained.append(("norm%d/gamma" % index, (channels,), "gamma"))
        trained.append(("norm%d/beta" % index, (channels,), "beta"))
        moving.append(("norm%d/moving_mean" % index, (channels,), "zeros"))
        moving.append(("norm%d/moving_variance" % index, (channels,), "ones"))

    def dense(index, inputs, outputs):
        trained.append(("dense%d/kernel" % index, (inputs, outputs), "kernel"))
        trained.append(("dense%d/bias" % index, (outputs,), "bias"))

    conv(1, 1, c1)
    conv(2, c1, c1)
    norm(1, c1)
    conv(3, c1, c2)
    conv(4, c2, c2)
    norm(2, c2)
    conv(5, c2, c3)
    norm(3, c3)
    dense(1, 4 * c3, d)
    dense(2, d, CLASSES)
    return trained, moving


def initial_value(seed, index, shape, kind):
    """Weight number `index`, computed in float64 and rounded once. Kernels: Xavier (magnitude 2.24, fan average), twice its range
    in convolutions: batch norm cancels a preceding bias's gradient but for tanh's curvature, and with small activations what is
    left is rounding. Bias, gamma and beta are off their usual 0 and 1, so that a forgotten or swapped one shows."""
    size = int(np.prod(shape))
    if kind == "zeros" or kind == "ones":
        return np.full(shape, 0.0 if kind == "zeros" else 1.0, np.float32)
    u = signed_unit(seed, index, size)
    if kind == "kernel":
        field = int(np.prod(shape[:-2]))
        fan_sum = field * shape[-2] + field * shape[-1]
        values = u * np.sqrt(2.24 / (fan_sum / 2)) * (2.0 if field > 1 else 1.0)
    else:
        values = 0.1 * u + (1.0 if kind == "gamma" else 0.0)
    return values.astype(np.float32).reshape(shape)


def images(seed):
    """Bright or dark 4x4 blocks (0 or 192) plus noise (0 to 63): contrast for the activations, and no two pixels tied by design."""
    noise = (hashes(seed, STREAM_IMAGES, BATCH * 28 * 28) >> np.uint64(26)).reshape(BATCH, 28, 28, 1)
    blocks = (hashes(seed, STREAM_BLOCKS, BATCH * 7 * 7) & np.uint64(1)).reshape(BATCH, 7, 7, 1)
    return (noise + np.uint64(192) * blocks.repeat(4, axis=1).repeat(4, axis=2)).astype(np.uint8)


class Problem:
    def __init__(self, width, seed):
        self.width, self.seed = width, seed
        self.trained, self.moving = tensors(width)
        self.initial = [initial_value(seed, i, shape, kind) for i, (_, shape, kind) in enumerate(self.trained + self.moving)]
        self.images = images(seed)
        self.labels = (hashes(seed, STREAM_LABELS, BATCH) % np.uint64(CLASSES)).astype(np.int32)


def projections(seed, index, values):
    """PROJECTIONS dot products with +-1 signs (bit k of the hash set: +1), in float64."""
    flat = np.asarray(values, np.float64).reshape(-1)
    bits = hashes(seed, STREAM_PROJECTIONS + index, flat.size)
    signs = ((bits[None, :] >> np.arange(PROJECTIONS, dtype=np.uint64)[:, None]) & np.uint64(1)).astype(np.float64) * 2 - 1
    return signs @ flat


def relative(actual, expected):
    """Norm of the difference over the norm: the measure of every tolerance here."""
    a, b = np.asarray(actual, np.float64).reshape(-1), np.asarray(expected, np.float64).reshape(-1)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))
