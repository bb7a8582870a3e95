"""Owns: test/golden/philox.json: words and uniforms that TensorFlow's stateless Philox draws, and keys and shuffles made from them in Python.

    python scripts/golden/philox.py        # needs tensorflow
"""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf

FILE = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "philox.json"

# Key, step, position of the first example, examples, elements of each. The large ones reach into the upper words.
CASES = [
    (0x0000000000000000, 0, 0, 1, 4),
    (0x299F31D0A4093822, 1, 0, 3, 5),
    (0x299F31D0A4093822, 7, 5, 2, 10),
    (0xFFFFFFFFFFFFFFFF, 2**33 + 1, 2**31, 2, 7),
]
SHUFFLE = 1
# Seed, purpose, layer.
KEYS = [(0, 1, 0), (0, 2, 0), (0, 2, 1), (1, 2, 0), (2**32, 2, 0), (2**53 - 1, 4, 2**32 + 1)]
# Seed, epoch, count; the sha256 is of the whole order as little-endian int32.
SHUFFLES = [(0, 1, 60000), (1, 1, 60000), (1, 2, 60000), (2**53 - 1, 130, 5900), (1, 1, 7)]


def draw(key, step, first_example, examples, elements):
    blocks = -(-elements // 4)
    philox = {
        "key": np.array([key], np.uint64),
        "counter": np.array([first_example * blocks, step], np.uint64),
        "alg": 1,
    }
    shape = [examples, 4 * blocks]
    words = tf.raw_ops.StatelessRandomUniformFullIntV2(shape=shape, dtype=tf.uint32, **philox).numpy()
    uniforms = tf.raw_ops.StatelessRandomUniformV2(shape=shape, dtype=tf.float32, **philox).numpy()
    return {
        "key": {"low": key % 2**32, "high": key >> 32},
        "step": step,
        "firstExample": first_example,
        "examples": examples,
        "elementsPerExample": elements,
        "words": words.reshape(-1).tolist(),
        "uniforms": uniforms[:, :elements].astype(np.float64).reshape(-1).tolist(),
    }


def words_of(key, low, high, count):
    """Words of the blocks from counter (low, high) on, as Python integers."""
    counter = np.array([low, high], np.uint64)
    drawn = tf.raw_ops.StatelessRandomUniformFullIntV2(
        shape=[count], dtype=tf.uint32, key=np.array([key], np.uint64), counter=counter, alg=1
    )
    return [int(word) for word in drawn.numpy()]


def derive_key(seed, purpose, layer):
    low, high = words_of(seed, layer, purpose, 2)
    return low + 2**32 * high


def shuffle(seed, epoch, count):
    """Fisher-Yates from the last place down, Lemire's bounded draws, in integers of any size."""
    words = iter(words_of(derive_key(seed, SHUFFLE, 0), 0, epoch, count + 1000))
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        bound = i + 1
        product = next(words) * bound
        while product % 2**32 < 2**32 % bound:
            product = next(words) * bound
        j = product >> 32
        order[i], order[j] = order[j], order[i]
    digest = hashlib.sha256(np.array(order, "<i4").tobytes()).hexdigest()
    return {"seed": seed, "epoch": epoch, "count": count, "first": order[:8], "sha256": digest}


def key_case(seed, purpose, layer):
    key = derive_key(seed, purpose, layer)
    return {"seed": seed, "purpose": purpose, "layer": layer, "key": {"low": key % 2**32, "high": key >> 32}}


def main():
    golden = {
        "what": "StatelessRandomUniformFullIntV2 (words, examples × whole blocks) and StatelessRandomUniformV2 (uniforms), alg 1",
        "maker": f"scripts/golden/philox.py: TensorFlow {tf.__version__}",
        "command": "python scripts/golden/philox.py",
        "keys": [key_case(*case) for case in KEYS],
        "shuffles": [shuffle(*case) for case in SHUFFLES],
        "dropout": [draw(*case) for case in CASES],
    }
    FILE.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
