"""PyTorch: images/s of one training step (forward, backward, SGD). One JSON line.

    python torch_train.py --model gluon_cnn --threads 2 --channels-last [--precision bf16] [--compile]
    torchrun --standalone --nproc-per-node 2 torch_train.py --threads 1 --channels-last      # DistributedDataParallel, gloo
    python torch_train.py --model mlp --cuda [--tf32]                                         # one NVIDIA GPU

`--threads` is per process. bf16 is autocast: weights, gradients and update stay fp32, as in the other systems.
"""

import os

import measure
import torch
from torch import nn
from torch_models import CLASSES, MODELS

options = measure.parse(
    __doc__,
    list(MODELS),
    [
        ("--channels-last", "NHWC memory for weights and images"),
        ("--compile", "torch.compile (inductor); loss included"),
        ("--fused", "fused SGD"),
        ("--cuda", "on an NVIDIA GPU; float32 stays float32 unless --tf32"),
        ("--tf32", "float32 products rounded to 10 bits of mantissa on the GPU"),
    ],
)
torch.set_num_threads(options.threads)
torch.manual_seed(0)
world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
build, shape = MODELS[options.model]
model = build()
trained = sum(p.numel() for p in model.parameters())
if options.count:
    print(options.model, "trained", trained, "all", trained + sum(b.numel() for b in model.buffers() if b.ndim))
    raise SystemExit
if world > 1:
    torch.distributed.init_process_group("gloo")
device = torch.device("cuda" if options.cuda else "cpu")
if options.cuda:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = options.tf32
    torch.backends.cudnn.benchmark = True
    model = model.to(device)
# The remainder goes to the first ranks, so that the global batch is the one stated.
rows = options.batch // world + (1 if rank < options.batch % world else 0)
x, y = torch.rand(rows, *shape), torch.randint(0, CLASSES.get(options.model, 10), (rows,))
x, y = x.to(device), y.to(device)
if options.channels_last and len(shape) == 3:
    model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
if world > 1:
    model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True, static_graph=True, broadcast_buffers=False)
optimizer = torch.optim.SGD(model.parameters(), 0.1, fused=options.fused or None)
criterion = nn.CrossEntropyLoss()


def loss_of(x, y):
    with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
        out = model(x)
    return criterion(out.float(), y)


if options.compile:
    loss_of = torch.compile(loss_of)


def step():
    optimizer.zero_grad(set_to_none=True)
    loss = loss_of(x, y)
    loss.backward()
    optimizer.step()
    return loss.item()


times = measure.step_times_ms(step, options.warmup, options.steps)
memory = torch.tensor(measure.peak_memory_mb())
if world > 1:
    torch.distributed.all_reduce(memory)
if rank == 0:
    total = round(memory.item())
    measure.report("pytorch", torch.__version__, options, times, world=world, trained=trained, peak_memory_mb=total)
if world > 1:
    measure.leave_together(torch.distributed)
