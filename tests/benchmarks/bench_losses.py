"""Every loss beside torch's cross-entropy: forward and backward, float32, timed alternately.

python -m pytest tests/benchmarks/bench_losses.py -s
"""

import time

import pytest
import torch
import torch.nn.functional as F

from imbbench.bench.counts import inverse_frequency_weights
from imbbench.bench.objectives import WeightedCrossEntropy
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss
from imbbench.strategies.loss.logit_adjusted import BalancedSoftmaxLoss, LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss

ROUNDS = 200
# The largest ratio allowed at a size, for softmax losses and for one-vs-rest ones.
LIMITS = {(4096, 10): (2.0, 2.0), (256, 150): (4.0, 8.0)}


def losses(n_classes):
    counts = [int(1000 * 100 ** (-c / (n_classes - 1))) for c in range(n_classes)]
    weights = inverse_frequency_weights(counts)
    return {
        "weighted, mean": WeightedCrossEntropy(weights),
        "weighted, batch mean": WeightedCrossEntropy(weights, "batch_mean"),
        "focal, gamma 2": FocalLoss(),
        "focal, gamma 0.5, alpha": FocalLoss(0.5, weights),
        "sigmoid focal": SigmoidFocalLoss(),
        "sigmoid focal, gamma 0.5, alpha": SigmoidFocalLoss(0.5, 0.25),
        "GHM-C, 10 bins": GHMCLoss(),
        "GHM-C, 30 bins, momentum": GHMCLoss(30, 0.75),
        "class-balanced softmax": ClassBalancedLoss(counts),
        "class-balanced sigmoid": ClassBalancedLoss(counts, base="sigmoid"),
        "class-balanced focal": ClassBalancedLoss(counts, base="focal"),
        "LDAM": LDAMLoss(counts),
        "LDAM, weighted": LDAMLoss(counts, weight=weights),
        "balanced softmax": BalancedSoftmaxLoss(counts),
        "logit-adjusted": LogitAdjustedLoss(counts),
        "OHEM": OHEMLoss(),
    }


def seconds(loss, logits, target):
    logits.grad = None
    start = time.perf_counter()
    loss(logits, target).backward()
    return time.perf_counter() - start


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("size", LIMITS, ids=str)
def test_ratio_to_cross_entropy(size, threads):
    n, n_classes = size
    generator = torch.Generator().manual_seed(0)
    logits = (2 * torch.randn(n, n_classes, generator=generator)).requires_grad_()
    target = torch.randint(n_classes, (n,), generator=generator)
    print(f"\n{n} x {n_classes}, {threads} thread(s), medians of {ROUNDS} alternate rounds")
    too_slow = []
    for name, loss in losses(n_classes).items():
        ours, theirs = [], []
        for _ in range(ROUNDS + 10):
            theirs.append(seconds(F.cross_entropy, logits, target))
            ours.append(seconds(loss, logits, target))
        ours, theirs = sorted(ours[10:])[ROUNDS // 2], sorted(theirs[10:])[ROUNDS // 2]
        ratio, limit = ours / theirs, LIMITS[size][loss.probabilities == "sigmoid"]
        print(
            f"{name:32s} {1e6 * ours:7.0f} us, cross-entropy {1e6 * theirs:7.0f} us, "
            f"ratio {ratio:5.2f} of {limit:g}"
        )
        if ratio > limit:
            too_slow.append(f"{name}: {ratio:.2f} > {limit:g}")
    assert not too_slow, too_slow
