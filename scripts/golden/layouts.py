"""Owns: weights between tfjs layout (HWIO; dense inputs x outputs, inputs in NHWC order) and that of PyTorch and MXNet
(OIHW; dense outputs x inputs, inputs in NCHW order). Does not: import a framework."""


def layout_kind(name):
    """The first dense layer's inputs are a flattened 2x2 image; the others' have no order to change."""
    return "flattened" if name == "dense1/kernel" else "plain"


def to_nchw(value, kind):
    if value.ndim == 4:
        return value.transpose(3, 2, 0, 1)
    if kind == "flattened":
        channels, outputs = value.shape[0] // 4, value.shape[1]
        return value.reshape(2, 2, channels, outputs).transpose(3, 2, 0, 1).reshape(outputs, -1)
    return value.T


def to_tfjs(value, kind):
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if kind == "flattened":
        outputs, channels = value.shape[0], value.shape[1] // 4
        return value.reshape(outputs, channels, 2, 2).transpose(2, 3, 1, 0).reshape(-1, outputs)
    return value.T
