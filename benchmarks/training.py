"""A whole training step at the paper's size: ours against the same model trained plainly.

``python benchmarks/training.py`` trains the paper's U-Net (5 levels, width 16, input 80×160×160,
DaMIL, batch 1): load, augment, forward, losses, backward, optimizer. *Plain* is the same network
layer by layer in float32 and torch's default layout, with every product of region and abnormality
maps made and sorted by ``topk``. Each variant has a process of its own, and they take turns, one
step at a time, so that a busy machine slows them alike. Printed are medians by the clock and by
processor time, the bf16 matrix product's measured peak and our share of it, peak memory beyond
that of the imports, and the share of the step spent loading and augmenting, which worker processes
do beside the step unless ``execution.workers`` is 0 as here.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

VARIANTS = ("ours", "plain")


def main() -> None:
    """Lets the variants take turns and prints what they measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", type=int, nargs=3, default=(80, 160, 160))
    parser.add_argument("--variant", choices=VARIANTS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.variant:
        serve(given.variant, tuple(given.shape), given.threads)
        return
    command = [sys.executable, __file__, *sys.argv[1:], "--variant"]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = {name: subprocess.Popen([*command, name], **pipes) for name in VARIANTS}  # type: ignore[call-overload]
    for turn in range(given.steps + 1):  # the first step warms up
        for name, worker in workers.items():
            worker.stdin.write("step\n")
            worker.stdin.flush()
            measured = json.loads(worker.stdout.readline())
            found[name].append(measured)
            print(f"{turn} {name:5} " + "  ".join(f"{k} {v:,.3f}" for k, v in measured.items()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    report(found, given.threads)


def report(found: dict[str, list[dict[str, float]]], threads: int) -> None:
    """Prints medians and ratios."""

    def middle(name: str, what: str) -> float:
        return median(entry[what] for entry in found[name][1:])

    for name in VARIANTS:
        print(
            f"{name:5} {60 / middle(name, 'wall'):6.1f} steps/min, {middle(name, 'wall'):6.2f} s "
            f"by the clock, {middle(name, 'cpu'):6.2f} s of processor, peak "
            f"{found[name][-1]['peak_gb']:.2f} GB beyond {found[name][0]['base_gb']:.2f} GB, "
            f"{100 * middle(name, 'wait') / middle(name, 'wall'):.1f} % of it load and augment"
        )
    for what, title in (("wall", "clock"), ("cpu", "processor time")):
        ratio = middle("plain", what) / middle("ours", what)
        print(f"ours is {ratio:.2f} x as fast by the {title}")
    flops, peak = found["ours"][0]["gflop"], median(e["gemm_gflops"] for e in found["ours"])
    for what, title, most in (("wall", "clock", threads * peak), ("cpu", "processor time", peak)):
        rate = flops / middle("ours", what)
        print(
            f"{flops:,.0f} GFLOP a step: {rate:,.0f} GF/s by the {title}, {100 * rate / most:.0f} "
            f"% of the bf16 matrix product's {most:,.0f}"
        )


def serve(variant: str, shape: tuple[int, ...], threads: int) -> None:
    """Does one step per line of standard input, and answers with its measures."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    torch.set_num_threads(threads)
    step, loader = (ours if variant == "ours" else plain)(shape)
    base = _peak()
    flops = 0.0
    for _ in sys.stdin:
        gemm = _gemm_rate() if variant == "ours" else 0.0
        begin, used = time.perf_counter(), time.process_time()
        batch = next(loader)
        wait = time.perf_counter() - begin
        if flops:
            step(batch)
        else:
            with FlopCounterMode(display=False) as counter:
                step(batch)
            flops = counter.get_total_flops() / 1e9
        measured = {
            "wall": time.perf_counter() - begin,
            "cpu": time.process_time() - used,
            "wait": wait,
            "base_gb": base,
            "peak_gb": _peak() - base,
            "gflop": flops,
            "gemm_gflops": gemm,
        }
        print(json.dumps(measured), flush=True)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _gemm_rate() -> float:
    """GFLOP per second of processor time of a bf16 matrix product."""
    import torch

    n = 2048
    a = torch.ones(n, n, dtype=torch.bfloat16)
    a @ a
    begin = time.process_time()
    for _ in range(3):
        a @ a
    return 3 * 2 * n**3 / 1e9 / (time.process_time() - begin)


def _parts(shape: tuple[int, ...]) -> tuple[Any, Any, Any, Iterator[Any]]:
    """Analyzer, its model, the training module and endless batches, all from the same seed."""
    import torch

    from crossdl.anatomy import load_anatomy
    from crossdl.catalog import default_catalog
    from crossdl.testing.analyzer import example_samples
    from crossdl.training.data import statistics, train_loader
    from crossdl.training.losses import scan_frequencies
    from crossdl.training.module import RegionMILModule

    anatomy, catalog = load_anatomy("head_ct"), default_catalog()
    table = {"kind": "unet", "pooling": {"kind": "damil"}, "volume_shape": list(shape)}
    table["execution"] = {"workers": 0}
    config: Any = catalog.parse("analyzer", table)
    analyzer = catalog.create("analyzer", config, anatomy)
    samples = example_samples(anatomy, analyzer.input_shape, 2, 0)
    torch.manual_seed(0)
    model = analyzer.build()
    model.train()
    module = RegionMILModule(
        model, config, anatomy, statistics(samples), 0, "", scan_frequencies(samples)
    )

    def batches() -> Iterator[Any]:
        loader = train_loader(samples, config, anatomy, 0)
        for epoch in range(1000):
            loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
            yield from loader

    return analyzer, model, module, batches()


def ours(shape: tuple[int, ...]) -> tuple[Callable[[Any], None], Iterator[Any]]:
    """As :func:`crossdl.training.loop.fit` trains."""
    import torch

    _, model, module, batches = _parts(shape)
    model.to(memory_format=torch.channels_last_3d)
    optimizer = module.configure_optimizers()

    def step(batch: Any) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            terms = module.terms(batch)
        segmentation, region, scan = (part.mean.mean() for part in terms)
        (segmentation + region + 0.1 * scan).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, batches


def plain(shape: tuple[int, ...]) -> tuple[Callable[[Any], None], Iterator[Any]]:
    """The equations as they are written, by autograd."""
    import torch
    from torch.nn.functional import binary_cross_entropy, max_pool3d, one_hot

    _, model, module, batches = _parts(shape)
    network, mean, std = model.network, module.statistics.mean, module.statistics.std
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-4)

    def step(batch: Any) -> None:
        labels = batch.regions.long()
        n = batch.matrix.shape[1] - 2
        target = one_hot(labels, n + 1).movedim(-1, 1)[:, 1:].float()
        y, union = batch.matrix[:, :-2], batch.matrix.amax(dim=1)
        total, counts = torch.zeros(()), None
        for output in textbook(network, (batch.image.float() - mean) / std):
            s, d = output.regions.sigmoid(), output.abnormality.sigmoid()
            truth = max_pool3d(target, labels.shape[1] // s.shape[2])
            overlap = (s * truth).flatten(2).sum(2)
            dice = (2 * overlap + 1) / (s.flatten(2).sum(2) + truth.flatten(2).sum(2) + 1)
            products = s.flatten(2)[:, :, None] * d.flatten(2)[:, None]
            if counts is None:
                bags = products.amax(dim=-1)
            else:
                bags = torch.stack(
                    [
                        torch.stack(
                            [p.topk(int(k)).values.mean() for p, k in zip(row, ks, strict=True)]
                        )
                        for row, ks in zip(products[0], counts[0], strict=True)
                    ]
                )[None]
            counts = (8 * (products.detach() > 0.5).sum(dim=-1)).clamp_min(8)
            kept = bags.clamp(1e-6, 1 - 1e-6)
            region = -(module.weights * y * kept.log() + (1 - y) * (1 - kept).log()).mean()
            scan = binary_cross_entropy(d.flatten(2).amax(dim=2), union)
            total = total + (1 - dice.mean()) + region + 0.1 * scan
        total.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step, batches


def textbook(network: Any, image: Any) -> Any:
    """The U-Net's layers one after the other: upsampling, concatenation, convolutions."""
    import torch
    from torch.nn.functional import interpolate, max_pool3d

    features, skips = image, []
    for level, block in enumerate(network.encoder):
        features = block(max_pool3d(features, 2) if level else features)
        skips.append(features)
    stages = [features]
    for block, skip in zip(network.decoder, skips[-2:0:-1], strict=True):
        features = block(torch.cat([interpolate(features, scale_factor=2.0), skip], dim=1))
        stages.append(features)
    return network.outputs(stages[-network.scales :])


if __name__ == "__main__":
    main()
