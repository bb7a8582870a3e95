"""The machine's practical limit: GFLOP/s of a 2048-cubed matrix product, fp32 and bf16, best of 12, fewer where one takes seconds. One JSON line.

    python gemm_peak.py THREADS

Two libraries are tried, as either can be the slower on a given processor: the BLAS behind torch.mm (MKL, which holds
back on AMD) and oneDNN, reached as a 1x1 convolution. The better one is the limit.
"""

import json
import sys
import time

import torch

SIZE = 2048
SLOW_S = 2


def best_gflops(product):
    best = float("inf")
    for _ in range(12):
        start = time.perf_counter()
        product()
        took = time.perf_counter() - start
        best = min(best, took)
        # A library that has no kernel for the type takes half a minute each time, as oneDNN does for bf16 held to AVX2.
        if took > SLOW_S:
            break
    return round(2 * SIZE**3 / best / 1e9, 1)


torch.set_num_threads(int(sys.argv[1]))
line = {"peer": "gemm_peak", "version": torch.__version__, "threads": int(sys.argv[1]), "size": SIZE}
for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
    a, b = torch.rand(SIZE, SIZE).to(dtype), torch.rand(SIZE, SIZE).to(dtype)
    image = torch.rand(1, SIZE, 64, SIZE // 64).to(dtype).to(memory_format=torch.channels_last)
    kernel = torch.rand(SIZE, SIZE, 1, 1).to(dtype)
    line[name + "_blas_gflops"] = best_gflops(lambda: a @ b)
    line[name + "_onednn_gflops"] = best_gflops(lambda: torch.conv2d(image, kernel))
    line[name + "_gflops"] = max(line[name + "_blas_gflops"], line[name + "_onednn_gflops"])
print(json.dumps(line))
