"""Owns: the benchmark networks in PyTorch. Does not: train them. The exact definitions are in README.md beside this file."""

import torch
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


def table():
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class Bottleneck(nn.Module):
    def __init__(self, inputs, inner, stride):
        super().__init__()

        def conv_norm(inputs, outputs, kernel, stride=1):
            conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
            return [conv, nn.BatchNorm2d(outputs, eps=1e-5)]

        relu = nn.ReLU(inplace=True)
        self.body = nn.Sequential(
            *conv_norm(inputs, inner, 1), relu, *conv_norm(inner, inner, 3, stride), relu, *conv_norm(inner, 4 * inner, 1)
        )
        self.shortcut = None
        if stride != 1 or inputs != 4 * inner:
            self.shortcut = nn.Sequential(*conv_norm(inputs, 4 * inner, 1, stride))
        self.relu = relu

    def forward(self, x):
        return self.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


def resnet50():
    stem = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
    layers = [stem, nn.BatchNorm2d(64, eps=1e-5), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, padding=1)]
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        inner = 64 * 2**stage
        for at in range(blocks):
            layers.append(Bottleneck(inputs, inner, 2 if stage > 0 and at == 0 else 1))
            inputs = 4 * inner
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


class EncoderLayer(nn.Module):
    def __init__(self, width, heads, inner):
        super().__init__()
        self.heads = heads
        self.attend_norm, self.feed_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))

    def forward(self, x):
        batch, tokens, width = x.shape
        heads = self.queries_keys_values(self.attend_norm(x)).view(batch, tokens, 3, self.heads, width // self.heads)
        found = nn.functional.scaled_dot_product_attention(*heads.permute(2, 0, 3, 1, 4))
        x = x + self.project(found.transpose(1, 2).reshape(batch, tokens, width))
        return x + self.feed(self.feed_norm(x))


class Transformer(nn.Module):
    def __init__(self, tokens=64, numbers=48, width=384, heads=6, layers=6, inner=1536):
        super().__init__()
        self.embed = nn.Linear(numbers, width)
        self.positions = nn.Parameter(torch.empty(tokens, width).uniform_(-0.02, 0.02))
        self.layers = nn.Sequential(*(EncoderLayer(width, heads, inner) for _ in range(layers)))
        self.norm, self.dense = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x):
        return self.dense(self.norm(self.layers(self.embed(x) + self.positions)).mean(1))


MODELS = {
    "gluon_cnn": (gluon_cnn, (1, 28, 28)),
    "resnet": (resnet, (3, 32, 32)),
    "mlp": (mlp, (784,)),
    "table": (table, (32,)),
    "transformer": (Transformer, (64, 48)),
    "resnet50": (resnet50, (3, 64, 64)),
}
CLASSES = {"resnet50": 1000}
