"""Family weighting: one weight per class in the loss.

Neural learners use the weighted cross-entropy, whose mean divides by the sum of the weights in
the batch; other learners weight each row.
"""

from functools import partial

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from imbbench.bench.correction import corrected  # noqa: F401 (a key of this family, too)
from imbbench.bench.counts import (
    effective_number_weights,
    inverse_frequency_weights,
    inverse_sqrt_weights,
)
from imbbench.bench.registry import strategy


@strategy
def inverse_frequency(cell):
    """w_c = N / (C n_c), scikit-learn's "balanced"."""
    return cell.fit(class_weight=inverse_frequency_weights(cell.class_counts))


@strategy
def inverse_sqrt(cell):
    """w_c = sqrt(N / (C n_c)), half-way between none and inverse frequency."""
    return cell.fit(class_weight=inverse_sqrt_weights(cell.class_counts))


@strategy(by_key=True, check=partial(effective_number_weights, [2, 1]))
def effective_number(cell, beta):
    """w_c proportional to (1 - beta) / (1 - beta^n_c), with sum C.

    The class-balanced softmax loss of family ``loss`` has the weights of ``beta`` 0.9999, too, but
    divides by the number of rows in the batch, not by the sum of their weights.

    References
    ----------
    Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019.
    """
    return cell.fit(class_weight=effective_number_weights(cell.class_counts, beta))


@strategy
def alpha_share(cell):
    """w_c = 1 - n_c / N, the share of the *other* classes, e.g. N_neg / N for the positives.

    With two classes these are the inverse frequencies on another scale. The scale is what differs:
    the loss is divided by the number of rows and not by the sum of the weights, as in the
    alpha-balanced cross-entropy of the focal loss paper (Lin et al., ICCV 2017).
    """
    weights = 1 - cell.class_counts / cell.class_counts.sum()
    if not cell.neural:
        return cell.fit(class_weight=weights)
    from imbbench.bench.objectives import WeightedCrossEntropy

    return cell.fit(loss=WeightedCrossEntropy(weights, reduction="batch_mean"))


def _check_table(weights):
    if not isinstance(weights, dict | list) or len(weights) < 2:
        raise ValueError("give a weight per class, by name or from the largest class down")


def _as_yaml(name):
    """What YAML takes a name for that is not in quotes."""
    try:
        return YAML(typ="safe").load(name)
    except YAMLError:
        return name


def _by_name(weights, classes):
    """Weights by the classes' names, where YAML has taken a name for a number or a truth value."""
    found = {}
    for key, weight in weights.items():
        names = [key]
        if not isinstance(key, str):
            read = {name: _as_yaml(name) for name in classes}
            names = [n for n, v in read.items() if type(v) is type(key) and v == key] or [str(key)]
        if len(names) > 1 or names[0] in found:
            raise ValueError(f"{key!r} is no name of a single class to YAML: put it in quotes")
        found[names[0]] = weight
    return found


@strategy(by_key=True, check=_check_table)
def table(cell, weights):
    """Weights chosen by hand: by class name, or a list from the largest class to the smallest.

    A table whose names are those of other data sets, or of another length, does not apply; one
    that names only some of the classes, or some that do not exist, is refused.
    """
    if isinstance(weights, dict):
        weights = _by_name(weights, cell.classes)
        known = set(weights) & set(cell.classes)
        cell.need(known, f"the weights are for the classes {', '.join(map(str, weights))}")
        wrong = sorted(map(str, set(weights) ^ set(cell.classes)))
        if wrong:
            raise ValueError(
                f"weights are needed for exactly the classes {', '.join(cell.classes)}; "
                f"missing or unknown: {', '.join(wrong)}"
            )
        weights = [weights[name] for name in cell.classes]
    cell.need(
        len(weights) == len(cell.classes),
        f"{len(weights)} weights for {len(cell.classes)} classes",
    )
    from imbbench.bench.objectives import as_class_weights

    return cell.fit(class_weight=as_class_weights(weights).numpy())
