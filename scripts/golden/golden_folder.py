"""Owns: which golden files exist and where. Does not: import a framework."""

import pathlib

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden"
# Seeds from `make.py --search 300`: with many others a pooling window's maximum could move to its neighbor by rounding
# alone, which would be a large difference and no error.
NETWORKS = [
    {"file": "gluon_cnn_eighth", "width": 1 / 8, "seed": 183, "full": True},
    {"file": "gluon_cnn", "width": 1.0, "seed": 371, "full": False},
]
