"""Owns: computing the golden steps again, in float32, in another framework, and comparing. Does not: write anything.

    python scripts/golden/check.py torch|tensorflow|mxnet        # exit 1 if a tensor is further than 1e-4, norm-wise
"""

import importlib
import json
import sys

import numpy as np
from formula import Problem, projections, relative
from golden_folder import FOLDER, NETWORKS

TOLERANCE = 1e-4


def distance(actual, entry, index, seed, values):
    """Norm-wise: exact where the file holds the whole tensor, else from its projections (see test/golden/README.md)."""
    if "offset" in entry:
        expected = values[entry["offset"] : entry["offset"] + int(np.prod(entry["shape"]))]
        return relative(actual, expected)
    delta = projections(seed, index, actual) - np.array(entry["projections"])
    return float(np.sqrt(np.mean(delta**2)) / entry["norm"])


def main():
    framework = importlib.import_module("step_" + sys.argv[1])
    worst = 0.0
    for network in NETWORKS:
        golden = json.loads((FOLDER / (network["file"] + ".json")).read_text())
        values = np.fromfile(FOLDER / (network["file"] + ".bin"), "<f4")
        problem = Problem(golden["width"], golden["seed"])
        actual = framework.run(problem, "float32") if sys.argv[1] == "torch" else framework.run(problem)
        print(framework.VERSION, "float32 against", network["file"], "(%s)" % golden["maker"])
        groups = {"loss_sums": relative(actual["losses"], golden["loss_sums"])}
        groups["logits"] = distance(actual["logits"], golden["logits"], 0, golden["seed"], values)
        for group in ("gradients", "statistics", "weights", "moving"):
            each = [distance(a, e, i, golden["seed"], values) for i, (a, e) in enumerate(zip(actual[group], golden[group]))]
            assert len(actual[group]) == len(golden[group])
            groups[group] = max(each)
            print("  %-10s furthest: %s" % (group, golden[group][int(np.argmax(each))]["name"]))
        moved = max(
            distance(a, e, i, golden["seed"], values) * e["norm"] / e["moved"]
            for i, (a, e) in enumerate(zip(actual["weights"], golden["weights"]))
        )
        print("  weights, difference over the way moved: %.2e (for information)" % moved)
        for group, value in groups.items():
            print("  %-10s %.2e" % (group, value))
        worst = max(worst, *groups.values())
    print("largest norm-wise difference %.2e, tolerance %.0e" % (worst, TOLERANCE))
    sys.exit(worst > TOLERANCE)


main()
