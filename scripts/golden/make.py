"""Owns: writing test/golden/: the reference CNN's first steps, computed by PyTorch in float64. Does not: define the problem (formula.py).

    python scripts/golden/make.py                       # writes both networks
    python scripts/golden/make.py --search 300          # which seed keeps pooling windows furthest from a tie
"""

import argparse
import hashlib
import json

import numpy as np
import step_torch
from formula import BATCH, LEARNING_RATE, PROJECTIONS, STEPS, Problem, projections
from golden_folder import FOLDER, NETWORKS

SMALL = 1024  # tensors up to this size are stored whole even for the full network
SAMPLES = 64


def describe(values, names, seed, full, store, start=None):
    """Per tensor: name, shape, norm, projections, and the values whole (`offset` into the .bin) or 64 samples evenly spread;
    with `start`, also `moved`, the norm of the way from there, which is the sharper measure of an update."""
    out = []
    for index, (name, value) in enumerate(zip(names, values)):
        flat = np.asarray(value, np.float64).reshape(-1)
        entry = {
            "name": name,
            "shape": list(value.shape),
            "norm": float(np.linalg.norm(flat)),
            "projections": [float(p) for p in projections(seed, index, flat)],
        }
        if start is not None:
            entry["moved"] = float(np.linalg.norm(flat - start[index].astype(np.float64).reshape(-1)))
        if full or flat.size <= SMALL:
            entry["offset"] = store(flat)
        else:
            at = [int(i) for i in np.arange(SAMPLES) * (flat.size - 1) // (SAMPLES - 1)]
            entry["samples"] = {"at": at, "values": [float(flat[i]) for i in at]}
        out.append(entry)
    return out


def write(network):
    problem = Problem(network["width"], network["seed"])
    result = step_torch.run(problem, "float64")
    trained = [n for n, _, _ in problem.trained]
    moving = [n for n, _, _ in problem.moving]
    parts, length = [], 0

    def store(flat):
        nonlocal length
        parts.append(flat.astype("<f4"))
        length += flat.size
        return length - flat.size

    seed, full = network["seed"], network["full"]
    file = {
        "what": "reference CNN without dropout, width %g: first step's loss, logits, gradients and batch statistics; weights and "
        "moving statistics after %d SGD steps" % (network["width"], STEPS),
        "maker": "scripts/golden/make.py: %s, float64, stored as float32" % step_torch.VERSION,
        "command": "python scripts/golden/make.py",
        "width": network["width"],
        "seed": seed,
        "batch": BATCH,
        "steps": STEPS,
        "learning_rate": LEARNING_RATE,
        "batch_norm": {"momentum": 0.9, "epsilon": 1e-5, "variance": "biased"},
        "projection_count": PROJECTIONS,
        "initial_sha256": hashlib.sha256(b"".join(v.astype("<f4").tobytes() for v in problem.initial)).hexdigest(),
        "images_sha256": hashlib.sha256(problem.images.tobytes()).hexdigest(),
        "labels": [int(label) for label in problem.labels],
        "smallest_pool_lead": result["pool_lead"],
        "loss_sums": result["losses"],
        "correct": int((result["logits"].argmax(1) == problem.labels).sum()),
        "logits": describe([result["logits"]], ["logits"], seed, True, store)[0],
        "gradients": describe(result["gradients"], trained, seed, full, store),
        "statistics": describe(result["statistics"], [n.replace("moving_", "batch_") for n in moving], seed, True, store),
        "weights": describe(result["weights"], trained, seed, full, store, problem.initial),
        "moving": describe(result["moving"], moving, seed, True, store),
    }
    binary = np.concatenate(parts).tobytes()
    file["bin_sha256"] = hashlib.sha256(binary).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / (network["file"] + ".bin")).write_bytes(binary)
    (FOLDER / (network["file"] + ".json")).write_text(json.dumps(file, indent=1) + "\n")
    print(network["file"], "bytes", len(binary), "pool lead %.2g" % result["pool_lead"], "losses", result["losses"])


def search(count):
    for network in NETWORKS:
        leads = {seed: step_torch.run(Problem(network["width"], seed))["pool_lead"] for seed in range(1, count + 1)}
        best = max(leads, key=leads.get)
        print(network["file"], "best seed", best, "lead %.3g" % leads[best], "median %.3g" % np.median(list(leads.values())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", type=int, default=0, metavar="SEEDS")
    options = parser.parse_args()
    if options.search:
        search(options.search)
    else:
        for network in NETWORKS:
            write(network)
