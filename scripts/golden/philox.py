"""Owns: test/golden/philox.json: words that TensorFlow's stateless Philox draws, and keys, shuffles and dropout masks made from them in Python.

    python scripts/golden/philox.py        # needs tensorflow
"""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf

FILE = pathlib.Path(__file__).resolve().parents[2] / "test" / "golden" / "philox.json"

SHUFFLE = 1
# Seed, purpose, layer.
KEYS = [(0, 1, 0), (0, 2, 0), (0, 2, 1), (1, 2, 0), (2**32, 2, 0), (2**53 - 1, 4, 2**32 + 1)]
# Seed, epoch, count; the sha256 is of the whole order as little-endian int32.
SHUFFLES = [(0, 1, 60000), (1, 1, 60000), (1, 2, 60000), (2**53 - 1, 130, 5900), (1, 1, 7)]
# Key, low and high half of the counter. The last reaches into all words, and its second block carries from word 0 into word 1.
WORDS = [(0, 0, 0), (0x299F31D0A4093822, 5, 7), (0xFFFFFFFFFFFFFFFF, 2**40 - 1, 2**33 + 1)]
# Rate, bits of an element, key, step, position of the first example, examples, elements of each.
MASKS = [
    (0.25, 8, 0x299F31D0A4093822, 1, 0, 3, 17),
    (0.2, 16, 0x299F31D0A4093822, 7, 5, 2, 10),
    (0.5, 8, 0xFFFFFFFFFFFFFFFF, 2**33 + 1, 2**31, 2, 32),
]


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


def mask(rate, bits, key, step, first_example, examples, elements):
    """1 where an element is kept: its piece of the words, little end first, is at least the rate's share of all pieces."""
    blocks = -(-elements * bits // 128)
    words = np.array(words_of(key, first_example * blocks, step, examples * blocks * 4), "<u4")
    pieces = words.view("<u1" if bits == 8 else "<u2").reshape(examples, -1)[:, :elements]
    kept = pieces >= round(rate * 2**bits)
    return {
        "rate": rate,
        "key": {"low": key % 2**32, "high": key >> 32},
        "step": step,
        "firstExample": first_example,
        "examples": examples,
        "elementsPerExample": elements,
        "kept": "".join(str(int(k)) for k in kept.reshape(-1)),
    }


def words_case(key, low, high):
    counter = [low % 2**32, low >> 32, high % 2**32, high >> 32]
    return {"key": {"low": key % 2**32, "high": key >> 32}, "counter": counter, "words": words_of(key, low, high, 8)}


def main():
    golden = {
        "what": "words of StatelessRandomUniformFullIntV2 with alg 1, and what is made of them",
        "maker": f"scripts/golden/philox.py: TensorFlow {tf.__version__}",
        "command": "python scripts/golden/philox.py",
        "keys": [key_case(*case) for case in KEYS],
        "shuffles": [shuffle(*case) for case in SHUFFLES],
        "words": [words_case(*case) for case in WORDS],
        "masks": [mask(*case) for case in MASKS],
    }
    FILE.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
