"""Owns: the three benchmark networks in PyTorch. Does not: train them. The exact definitions are in README.md beside this file."""

from torch import nn


def conv_tanh(inputs, outputs):
    return [nn.Conv2d(inputs, outputs, 3), nn.Tanh()]


def gluon_cnn(width=1.0, dropout=True):
    """The reference network; `width` scales its channels (1 = 64, 128, 256, dense 512)."""
    a, b, c, d = (int(n * width) for n in (64, 128, 256, 512))

    def drop(rate):
        return [nn.Dropout(rate)] if dropout else []

    return nn.Sequential(
        *conv_tanh(1, a), *conv_tanh(a, a), *drop(0.2), nn.BatchNorm2d(a, eps=1e-5), nn.MaxPool2d(2),
        *conv_tanh(a, b), *conv_tanh(b, b), *drop(0.25), nn.BatchNorm2d(b, eps=1e-5), nn.MaxPool2d(2),
        *conv_tanh(b, c), *drop(0.25), nn.BatchNorm2d(c, eps=1e-5),
        nn.Flatten(), nn.Linear(4 * c, d), nn.Tanh(), nn.Linear(d, 10), nn.Tanh(),
    )  # fmt: skip


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs, eps=1e-5), nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, 1, padding=1, bias=False), nn.BatchNorm2d(outputs, eps=1e-5),
        )  # fmt: skip
        self.shortcut = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs, eps=1e-5))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def resnet():
    layers = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16, eps=1e-5), nn.ReLU(inplace=True)]
    inputs = 16
    for outputs, stride in ((16, 1), (32, 2), (64, 2)):
        layers += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def mlp():
    return nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10))


MODELS = {"gluon_cnn": (gluon_cnn, (1, 28, 28)), "resnet": (resnet, (3, 32, 32)), "mlp": (mlp, (784,))}
