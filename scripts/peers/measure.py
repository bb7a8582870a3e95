"""Owns: what every peer program shares: the options, the clock, the JSON line. Does not: import any framework.

A step is one call that ends when its loss is a Python number and the weights are updated. The first `--warmup` steps
are not counted. `images_per_s` is the batch divided by the median step; `ms_p95` shows the spread.
"""

import argparse
import json
import os
import resource
import sys
import time


def parse(description, models, flags=()):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--model", choices=models, default=models[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--batch", type=int, default=200, help="global batch, divided by the world size")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--warmup", type=int, default=4)
    parser.add_argument("--count", action="store_true", help="print the parameter counts and stop")
    for flag, text in flags:
        parser.add_argument(flag, action="store_true", help=text)
    options = parser.parse_args()
    options.chosen = [flag[2:] for flag, _ in flags if getattr(options, flag[2:].replace("-", "_"))]
    return options


def step_times_ms(step, warmup, steps):
    times = []
    for index in range(warmup + steps):
        start = time.perf_counter()
        step()
        if index >= warmup:
            times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)


def percentile(ordered, fraction):
    """Nearest rank: of 12 values the median is the 6th, p95 the 12th."""
    return ordered[max(0, -(-len(ordered) * int(fraction * 100) // 100) - 1)]


def peak_memory_mb():
    """Peak resident memory of this process; on Linux ru_maxrss counts KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def report(peer, version, options, times, world=1, trained=None, **more):
    p50 = percentile(times, 0.5)
    line = {
        "peer": peer,
        "version": version,
        "model": options.model,
        "trained_parameters": trained,
        "precision": options.precision,
        "threads": options.threads,
        "world": world,
        "options": options.chosen,
        "batch": options.batch,
        "steps": len(times),
        "ms_p50": round(p50, 2),
        "ms_p95": round(percentile(times, 0.95), 2),
        "images_per_s": round(options.batch / p50 * 1e3, 1),
        "peak_memory_mb": round(peak_memory_mb()),
        **more,
    }
    print(json.dumps(line), flush=True)


def leave_together(distributed):
    """Ends a process of a group. Not by its destructors: gloo's threads may outlive what they use, and then abort the process."""
    distributed.barrier()
    sys.stdout.flush()
    os._exit(0)
