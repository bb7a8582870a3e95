"""gloo: time of one all-reduce of N floats between the processes of torchrun. One JSON line.

    torchrun --standalone --nproc-per-node 2 gloo_all_reduce.py [elements, default 1085002: the gradients of gluon_cnn]
"""

import json
import sys
import time

import measure
import torch
import torch.distributed as dist

torch.set_num_threads(1)
dist.init_process_group("gloo")
elements = int(sys.argv[1]) if len(sys.argv) > 1 else 1085002
x = torch.ones(elements)
times = []
for index in range(60):
    x.fill_(1)
    dist.barrier()
    start = time.perf_counter()
    dist.all_reduce(x)
    if index >= 10:
        times.append((time.perf_counter() - start) * 1e3)
    assert x[0].item() == x[-1].item() == dist.get_world_size()
if dist.get_rank() == 0:
    times.sort()
    print(json.dumps({
        "peer": "gloo", "version": torch.__version__, "world": dist.get_world_size(), "elements": elements,
        "steps": len(times), "ms_p50": round(measure.percentile(times, 0.5), 3), "ms_p95": round(measure.percentile(times, 0.95), 3),
    }))  # fmt: skip
measure.leave_together(dist)
