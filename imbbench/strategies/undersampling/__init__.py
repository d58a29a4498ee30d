"""Family undersampling: train on fewer rows of the large classes."""

from functools import partial

import numpy as np
from imblearn.under_sampling import RandomUnderSampler

from imbbench.bench.correction import corrected  # noqa: F401 (a key of this family, too)
from imbbench.bench.counts import draw_rows, sizes_down
from imbbench.bench.registry import strategy
from imbbench.bench.values import check_ratio, check_sizes
from imbbench.strategies.undersampling.library import SAMPLERS, check_sampler, selected_rows
from imbbench.strategies.undersampling.preclassification import (
    IterativePreClassification,
    mined_rows,
)


def _fit_random(cell, target):
    sampler = RandomUnderSampler(sampling_strategy=target, random_state=cell.seed)
    return cell.fit(*sampler.fit_resample(cell.X, cell.y))


@strategy(by_key=True, check=check_sizes)
def random(cell, ratio):
    """Drop rows at random until no class is more than ``ratio`` times the smallest."""
    return _fit_random(cell, sizes_down(cell, ratio))


@strategy(by_key=True, choices=SAMPLERS, check=check_sampler)
def sampler(cell, cls, **parameters):
    """A sampler of imbalanced-learn that selects rows; distances are on one-hot codes.

    Of cluster centroids the nearest real rows are taken: a centre has no nominal values and no
    tokens. The library's ``voting="hard"`` takes the same ones, but repeats a row that is nearest
    to two centres.
    """
    rows = selected_rows(cell, cls, **parameters)
    return cell.fit(cell.X[rows], cell.y[rows])


def _check_mining(**parameters):
    IterativePreClassification(**parameters)._validate_params()


@strategy(check=_check_mining)
def iterative_preclassification(cell, ratio=1.0, random_share=0.5, max_rounds=5):
    """Hard negative mining with the learner itself, then the learner on the rows kept.

    References
    ----------
    See :class:`IterativePreClassification`. Its control is ``random_same_size``.
    """
    rows = mined_rows(cell, ratio=ratio, random_share=random_share, max_rounds=max_rounds)
    return cell.fit(cell.X[rows], cell.y[rows])


@strategy(check=_check_mining)
def random_same_size(cell, ratio=1.0, random_share=0.5, max_rounds=5):
    """As many rows of each class as ``iterative_preclassification`` keeps, drawn at random.

    The same mining is done first, since only it knows how many these are; give both the same
    parameters.
    """
    rows = mined_rows(cell, ratio=ratio, random_share=random_share, max_rounds=max_rounds)
    return _fit_random(cell, dict(enumerate(np.bincount(cell.y[rows]))))


@strategy(by_key=True, check=partial(check_ratio, "factor"))
def downsample_upweight(cell, factor):
    """Keep one in ``factor`` rows of the large classes and weight the kept ones by ``factor``.

    The weighted class shares stay what they were. No class falls below the smallest one, so its
    factor is at most n_c / n_min. Neural learners draw anew when the rows are used up, and make as
    many steps as ever; others draw once.

    References
    ----------
    Google, Machine Learning Crash Course, "Imbalanced datasets".
    """
    counts = cell.class_counts
    kept = np.round(np.maximum(counts / factor, counts.min())).astype(int)
    weight = counts / kept

    def draw(y, progress, rng, size):
        rows = draw_rows(y, kept, rng)
        return rows, weight[y[rows]]

    if cell.neural:
        return cell.fit(draw=draw)
    rows, weights = draw(cell.y, 0.0, np.random.default_rng(cell.seed), None)
    return cell.fit(cell.X[rows], cell.y[rows], sample_weight=weights)
