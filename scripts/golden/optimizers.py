"""Owns: test/golden/optimizers.json: weights after each of six steps of PyTorch's optimizers. Does not: know our arithmetic: all is in float64.

    python scripts/golden/optimizers.py        # needs torch
"""

import json
import pathlib

import torch

FILE = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "optimizers.json"
SEED, SIZES, SHARDS, BATCH, STEPS = 7, [5, 2], 3, 10, 6
# The rate changes from step to step, as with a schedule.
RATES = [0.1, 0.1, 0.05, 0.05, 0.2, 0.01]

CASES = [
    ("sgd", torch.optim.SGD, {}),
    ("sgd with momentum", torch.optim.SGD, {"momentum": 0.9}),
    ("sgd with Nesterov momentum", torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    ("sgd with weight decay", torch.optim.SGD, {"momentum": 0.9, "weightDecay": 0.1}),
    ("sgd clipped", torch.optim.SGD, {"clipNorm": 0.3}),
    ("sgd with all of it", torch.optim.SGD, {"momentum": 0.5, "nesterov": True, "weightDecay": 0.01, "clipNorm": 0.3}),
    ("adam", torch.optim.Adam, {"name": "adam"}),
    ("adam with weight decay, clipped", torch.optim.Adam, {"name": "adam", "weightDecay": 0.1, "clipNorm": 0.3}),
    ("adam with other betas", torch.optim.Adam, {"name": "adam", "beta1": 0.5, "beta2": 0.9, "epsilon": 0.01}),
    ("adamw", torch.optim.AdamW, {"name": "adamw", "weightDecay": 0.1}),
]


def arguments(config):
    names = {"momentum": "momentum", "nesterov": "nesterov", "weightDecay": "weight_decay"}
    given = {names[key]: value for key, value in config.items() if key in names}
    if config.get("name", "sgd") == "sgd":
        return given
    betas = (config.get("beta1", 0.9), config.get("beta2", 0.999))
    # PyTorch's AdamW decays by 0.01 unless told otherwise.
    return {"weight_decay": 0, **given, "betas": betas, "eps": config.get("epsilon", 1e-7)}


def run(optimizer_class, config, initial, shard_gradients):
    weights = [torch.nn.Parameter(w.clone()) for w in initial]
    optimizer = optimizer_class(weights, lr=RATES[0], **arguments(config))
    after = []
    for rate, shards in zip(RATES, shard_gradients):
        optimizer.param_groups[0]["lr"] = rate
        for index, weight in enumerate(weights):
            weight.grad = sum(shard[index] for shard in shards) / BATCH
        if "clipNorm" in config:
            # Not clip_grad_norm_, which adds 1e-6 to the norm; torch.linalg.vector_norm is the same norm without it.
            norm = torch.linalg.vector_norm(torch.cat([weight.grad for weight in weights]))
            for weight in weights:
                weight.grad *= min(1.0, config["clipNorm"] / norm.item())
        optimizer.step()
        after.append(torch.cat([weight.detach() for weight in weights]).tolist())
    return after


def main():
    generator = torch.Generator().manual_seed(SEED)

    def draw():
        # float32 values, so that both sides start from the same numbers
        return [torch.randn(size, generator=generator).double() for size in SIZES]

    initial = draw()
    shard_gradients = [[draw() for _ in range(SHARDS)] for _ in range(STEPS)]
    golden = {
        "what": "weights after each step of PyTorch's optimizers in float64; gradients are sums over the examples of each shard",
        "maker": f"scripts/golden/optimizers.py: PyTorch {torch.__version__}",
        "command": "python scripts/golden/optimizers.py",
        "seed": SEED,
        "sizes": SIZES,
        "batch": BATCH,
        "rates": RATES,
        "initial": torch.cat(initial).tolist(),
        "gradients": [[torch.cat(shard).tolist() for shard in shards] for shards in shard_gradients],
        "cases": [
            {"name": name, "config": config, "weights": run(kind, config, initial, shard_gradients)}
            for name, kind, config in CASES
        ],
    }
    FILE.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
