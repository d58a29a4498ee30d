"""What the losses do: the numbers and figures of notebook 05.

Everything is asked of the loss modules themselves, through autograd; no formula of a loss is
written a second time here. Two classes throughout: class 0 is the majority, class 1 the minority.
"""

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch
from matplotlib.lines import Line2D
from scipy.special import logit
from scipy.stats import multivariate_normal
from torch import nn

from imbbench.analysis.plots import DASHES, FAINT, PALETTE, STYLE, new_figure
from imbbench.bench.counts import check_class_counts, inverse_frequency_weights
from imbbench.bench.neural import MLP
from imbbench.bench.objectives import WeightedCrossEntropy, start_bias
from imbbench.strategies.loss.class_balanced import ClassBalancedLoss
from imbbench.strategies.loss.focal import FocalLoss, SigmoidFocalLoss
from imbbench.strategies.loss.ghm import GHMCLoss
from imbbench.strategies.loss.ldam import LDAMLoss, NormedLinear
from imbbench.strategies.loss.logit_adjusted import BalancedSoftmaxLoss, LogitAdjustedLoss
from imbbench.strategies.loss.ohem import OHEMLoss

CLASSES = ("majority", "minority")
LOOKS = {"majority": (PALETTE[0], "-"), "minority": (PALETTE[1], (0, (4, 2)))}
OF_PLAIN = "#8b0045"  # the boundary of cross-entropy beside another
GROUPS = ("easy", "middle", "very hard")
# The three that the claim is about, as one-vs-rest losses: GHM-C has no softmax form, and only
# losses that share one gradient norm can share an axis.
# Beside each whether it suppresses the easy and the very hard.
CLAIM = {
    "cross-entropy": ("suppresses nothing", (False, False)),
    "focal": ("suppresses the easy samples only", (True, False)),
    "GHM-C": ("suppresses the easy and the very hard samples", (True, True)),
}
CLAIM_LOOKS = dict(zip(CLAIM, zip(("black", *PALETTE[1:3]), DASHES, strict=False), strict=True))
MOVED = "plain, moved threshold"
RATES = ["recall", "false_alarms", "balanced_accuracy"]
STARTS = ("zero bias", "log-prior bias")
# What stands below a loss's name in its panel.
SUBTITLES = {
    "weighted": "inverse frequency",
    "class-balanced": "effective number",
    "balanced softmax": "= logit-adjusted",
    "LDAM": "scale {0.scale:g}",
    "focal": "gamma {0.gamma:g}",
    "OHEM": "keeps {0.keep:.0%}",
    "sigmoid focal": "gamma {0.gamma:g}",
    "GHM-C": "{0.bins} bins",
}


def catalogue(class_counts, gamma=2.0, bins=10, beta=0.999, keep=0.7, ldam_scale=30.0):
    """Every loss by name.

    Weighted cross-entropy divides by N: dividing by the sum of the weights, as torch does, would
    cancel the weight of a sample that is looked at alone.

    Parameters
    ----------
    class_counts : array-like of shape (2,)
        Training samples per class.
    gamma : float
        Of both focal losses.
    bins : int
        Of GHM-C.
    beta : float
        Of the class-balanced loss.
    keep : float
        Of OHEM.
    ldam_scale : float

    Returns
    -------
    dict of str to torch.nn.Module

    Raises
    ------
    ValueError
        If there are not two classes, or a loss refuses its parameter.

    Examples
    --------
    >>> list(catalogue([900, 100]))[:2]
    ['cross-entropy', 'weighted']
    """
    counts = check_class_counts(class_counts)
    if len(counts) != 2 or counts[0] < counts[1]:
        raise ValueError(
            f"class_counts must be the counts of two classes, the larger first, got {class_counts}"
        )
    return {
        "cross-entropy": nn.CrossEntropyLoss(),
        "weighted": WeightedCrossEntropy(inverse_frequency_weights(counts), "batch_mean"),
        "class-balanced": ClassBalancedLoss(counts, beta),
        "balanced softmax": BalancedSoftmaxLoss(counts),
        "LDAM": LDAMLoss(counts, scale=ldam_scale),
        "focal": FocalLoss(gamma),
        "OHEM": OHEMLoss(keep),
        "one-vs-rest": SigmoidFocalLoss(gamma=0.0),
        "sigmoid focal": SigmoidFocalLoss(gamma),
        "GHM-C": GHMCLoss(bins),
    }


def synthetic_batch(class_counts, noise=0.05, seed=0):
    """Logits and labels of a network that has learnt the easy part.

    The logits are (u, -u) / (-u, u), with log-odds u of being right drawn from N(3.5, 1.75²) for
    the majority and N(1, 1.75²) for the minority. Then a share of the labels is wrong.

    Parameters
    ----------
    class_counts : array-like of shape (2,)
        Samples per class before labels are flipped.
    noise : float
        Share of the labels that are flipped, drawn from both classes alike.
    seed : int

    Returns
    -------
    logits : Tensor, (N, 2), float64
    target : Tensor, (N,), int64
    """
    generator = np.random.default_rng(seed)
    counts = np.asarray(class_counts, dtype=int)
    label = np.repeat([0, 1], counts)
    odds = generator.normal(np.repeat([3.5, 1.0], counts), 1.75)
    logits = np.stack([odds, -odds], axis=1) * (1 - 2 * label)[:, None]
    wrong = generator.permutation(len(label))[: round(noise * len(label))]
    label[wrong] = 1 - label[wrong]
    return torch.from_numpy(logits), torch.from_numpy(label)


# One majority cloud, two minority clouds at its edge: (mean, variance, share of the class).
CLOUDS = (
    (((0.0, 0.0), 1.0, 1.0),),
    (((1.9, 1.2), 0.25, 0.6), ((1.5, -1.7), 0.3, 0.4)),
)


def toy(class_counts, seed=0):
    """Two overlapping classes in the plane.

    Parameters
    ----------
    class_counts : sequence of int, (2,)
    seed : int

    Returns
    -------
    X : ndarray, (N, 2)
    y : ndarray, (N,)
    """
    generator = np.random.default_rng(seed)
    parts = []
    for clouds, count in zip(CLOUDS, class_counts, strict=True):
        which = generator.choice(len(clouds), size=count, p=[share for *_, share in clouds])
        centres = np.array([mean for mean, *_ in clouds])[which]
        spreads = np.sqrt([variance for _, variance, _ in clouds])[which]
        parts.append(centres + spreads[:, None] * generator.normal(size=(count, 2)))
    return np.concatenate(parts), np.repeat([0, 1], class_counts)


def log_density_ratio(X):
    """log p(x | minority) - log p(x | majority) of :func:`toy`; zero where both are as likely."""
    densities = [
        sum(share * multivariate_normal(mean, variance).pdf(X) for mean, variance, share in clouds)
        for clouds in CLOUDS
    ]
    return np.log(densities[1]) - np.log(densities[0])


def _base(loss):
    """The unweighted loss of the same kind."""
    sigmoid = getattr(loss, "probabilities", "softmax") == "sigmoid"
    return SigmoidFocalLoss(gamma=0.0) if sigmoid else nn.CrossEntropyLoss()


def probe(loss, margins, label, batch=None):
    """Loss and gradient of one sample, per margin.

    The sample's logits are (margin / 2, -margin / 2) for the majority and the reverse for the
    minority, divided by the scale with which the loss predicts; so the margin is always that of
    what enters the softmax.

    Parameters
    ----------
    loss : torch.nn.Module
    margins : array-like of shape (M,)
        z_y - z_other.
    label : {0, 1}
    batch : tuple of (Tensor, Tensor), optional
        Logits and labels that the sample joins, for losses that depend on the rest of the batch.
        The result is its share of the batch's loss, times the size of the batch.

    Returns
    -------
    losses : ndarray, (M,)
        In nats.
    gradients : ndarray, (M,)
        Derivatives to the margin.

    Examples
    --------
    >>> losses, gradients = probe(FocalLoss(gamma=0.0), [0.0], label=1)
    >>> losses.round(4).tolist(), gradients.tolist()
    ([0.6931], [-0.5])
    """
    others, labels = batch or (torch.empty(0, 2), torch.empty(0, dtype=torch.int64))
    sides = torch.tensor([[0.5, -0.5] if label == 0 else [-0.5, 0.5]], dtype=torch.float64)
    scale = getattr(loss, "inference_scale", 1.0)
    target = torch.cat([labels, torch.tensor([label])])
    values, gradients = [], []
    for margin in np.asarray(margins, dtype=np.float64):
        m = torch.tensor(margin, requires_grad=True)
        value = loss(torch.cat([others, m * sides / scale]), target)
        value.backward()
        values.append(value.item())
        gradients.append(m.grad.item() * len(target))
    values, gradients = np.array(values), np.array(gradients)
    if batch is not None:
        # Such a loss weighs the samples of a batch: what it does to the gradient it does to the
        # value, which autograd cannot tell apart from those of the other samples.
        plain, slopes = probe(_base(loss), margins, label)
        values = plain * gradients / slopes
    return values, gradients


def curves(losses, margins, batch):
    """Loss and gradient of every loss, class and margin.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    margins : array-like of shape (M,)
    batch : tuple of (Tensor, Tensor)
        What GHM-C and OHEM see beside the sample.

    Returns
    -------
    DataFrame
        ``name``, ``class``, ``margin``, ``loss`` (nats), ``gradient``, and the same of the
        unweighted loss of that kind, ``base_loss`` and ``base_gradient``.
    """
    tables = []
    for name, loss in losses.items():
        beside = batch if isinstance(loss, GHMCLoss | OHEMLoss) else None
        for label, group in enumerate(CLASSES):
            values, gradients = probe(loss, margins, label, beside)
            base_values, base_gradients = probe(_base(loss), margins, label)
            columns = {
                "name": name, "class": group, "margin": margins, "loss": values,
                "gradient": gradients, "base_loss": base_values, "base_gradient": base_gradients,
            }  # fmt: skip
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def claim_losses(gamma, bins):
    """Cross-entropy, focal loss and GHM-C in one-vs-rest form."""
    losses = SigmoidFocalLoss(gamma=0.0), SigmoidFocalLoss(gamma), GHMCLoss(bins)
    return dict(zip(CLAIM, losses, strict=True))


def sample_gradients(loss, logits, target):
    """Norm of every sample's gradient: sum over the classes of |dL / dz|, times N.

    Parameters
    ----------
    loss : torch.nn.Module
    logits : Tensor, (N, C)
    target : Tensor, (N,), int64

    Returns
    -------
    ndarray, (N,)
    """
    logits = logits.detach().clone().requires_grad_()
    loss(logits, target).backward()
    return logits.grad.abs().sum(dim=1).numpy() * len(target)


def gradient_weights(losses, batch):
    """Per sample: the gradient norm g of cross-entropy, and what each loss multiplies it by.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
        One-vs-rest losses.
    batch : tuple of (Tensor, Tensor)
        Logits (u, -u) or (-u, u), whose two terms have the same norm.

    Returns
    -------
    DataFrame
        ``g``, ``target`` and one column of weights per loss, in the order of ``g``.
    """
    g = sample_gradients(SigmoidFocalLoss(gamma=0.0), *batch)
    table = {"g": g, "target": batch[1].numpy()}
    table |= {name: sample_gradients(loss, *batch) / g for name, loss in losses.items()}
    return pd.DataFrame(table).sort_values("g", ignore_index=True)


def suppression(weights, easy=0.1, very_hard=0.9):
    """Easy, middle and very hard samples: how many, and what each loss makes of them.

    Parameters
    ----------
    weights : DataFrame
        Of :func:`gradient_weights`.
    easy, very_hard : float
        Samples with g below ``easy`` are easy, with g above ``very_hard`` very hard.

    Returns
    -------
    DataFrame
        ``name``, ``group``, ``samples`` (share), ``weight`` (mean weight over that of the middle
        samples; NaN for a group without samples) and ``gradient`` (share of the sum of gradient
        norms).

    Raises
    ------
    ValueError
        If no sample is in the middle.
    """
    group = np.select([weights["g"] < easy, weights["g"] > very_hard], ["easy", "very hard"],
                      "middle")  # fmt: skip
    if not (group == "middle").any():
        raise ValueError(f"no sample has a gradient norm between {easy} and {very_hard}")
    rows = []
    for name in weights.columns.drop(["g", "target"]):
        w = weights[name]
        total = (w * weights["g"]).sum()
        for part in GROUPS:
            inside = group == part
            weight = w[inside].mean() / w[group == "middle"].mean() if inside.any() else np.nan
            share = (w * weights["g"])[inside].sum() / total
            rows.append((name, part, inside.mean(), weight, share))
    return pd.DataFrame(rows, columns=["name", "group", "samples", "weight", "gradient"])


def claim_holds(table):
    """Which of the three statements hold in a table of :func:`suppression`.

    A group is suppressed if its mean weight is below that of the middle samples.

    Parameters
    ----------
    table : DataFrame

    Returns
    -------
    dict of str to bool
        For cross-entropy: suppresses nothing; focal: the easy and not the very hard; GHM-C: both.
    """
    weight = table.set_index(["name", "group"])["weight"]
    return {
        name: tuple(weight[name, part] < 1 - 1e-6 for part in ("easy", "very hard")) == expected
        for name, (_, expected) in CLAIM.items()
    }


def noise_sweep(losses, class_counts, shares, seeds, easy=0.1, very_hard=0.9):
    """Weight of the very hard samples over that of the middle ones, by share of wrong labels.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    class_counts : array-like of shape (2,)
    shares : sequence of float
        Shares of wrong labels.
    seeds : sequence of int
        One batch each.
    easy, very_hard : float

    Returns
    -------
    DataFrame
        ``noise``, ``seed``, ``name``, ``weight``.
    """
    tables = []
    for noise in shares:
        for seed in seeds:
            weights = gradient_weights(losses, synthetic_batch(class_counts, noise, seed))
            table = suppression(weights, easy, very_hard)
            table = table.loc[table["group"] == "very hard", ["name", "weight"]]
            tables.append(table.assign(noise=noise, seed=seed))
    return pd.concat(tables, ignore_index=True)


def focal_curves(gammas, probabilities):
    """Softmax focal loss by the probability of the true class.

    Parameters
    ----------
    gammas : sequence of float
    probabilities : array-like of shape (M,)
        In (0, 1).

    Returns
    -------
    DataFrame
        ``gamma``, ``p``, ``loss`` (nats), ``gradient`` (to the margin) and ``weight``, the
        gradient over that of cross-entropy.
    """
    probabilities = np.asarray(probabilities, dtype=np.float64)
    tables = []
    _, plain = probe(nn.CrossEntropyLoss(), logit(probabilities), 0)
    for gamma in gammas:
        values, gradients = probe(FocalLoss(gamma), logit(probabilities), 0)
        columns = {"p": probabilities, "loss": values, "gradient": gradients}
        tables.append(pd.DataFrame(columns).assign(gamma=gamma, weight=gradients / plain))
    return pd.concat(tables, ignore_index=True)


def first_losses(losses, class_counts):
    """Loss and bias gradient before the first step, for a last layer that starts at zero weights.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    class_counts : array-like of shape (2,)
        The batch is one sample of every row counted.

    Returns
    -------
    DataFrame
        ``loss``, then the loss in nats and the largest bias gradient with zero bias and with the
        log-prior bias (log pi, or log(pi / (1 - pi)) for one-vs-rest losses). Missing: LDAM's
        cosine layer has no bias, and at zero bias all samples tie, so that which of them OHEM
        keeps means nothing.
    """
    target = torch.from_numpy(np.repeat([0, 1], class_counts))
    rows = []
    for name, loss in losses.items():
        row = {"loss": name}
        unbiased, tied = isinstance(loss, LDAMLoss), isinstance(loss, OHEMLoss)
        prior = start_bias(class_counts, probabilities=getattr(loss, "probabilities", "softmax"))
        for start, bias in zip(STARTS, (np.zeros(2), prior), strict=True):
            if unbiased and start == "log-prior bias":
                continue
            bias = torch.tensor(bias, dtype=torch.float64, requires_grad=True)
            value = loss(bias.expand(len(target), 2), target)
            value.backward()
            row[f"first loss, {start}"] = round(value.item(), 4)
            if not unbiased and not (tied and start == "zero bias"):
                row[f"bias gradient, {start}"] = round(bias.grad.abs().max().item(), 4)
        rows.append(row)
    return pd.DataFrame(rows)


class GradientShare(nn.Module):
    """Passes a loss on and notes, at every step, the minority's share of the gradient.

    Parameters
    ----------
    loss : torch.nn.Module

    Attributes
    ----------
    steps : list of (float, float)
        Per step the sum over the batch's majority and minority samples of |dL / dz|.
    """

    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.probabilities = getattr(loss, "probabilities", "softmax")
        self.inference_scale = getattr(loss, "inference_scale", 1.0)
        self.steps = []

    def forward(self, logits, target):
        """The loss of the batch."""
        if logits.requires_grad:
            logits.register_hook(lambda gradient: self._note(gradient, target))
        return self.loss(logits, target)

    def _note(self, gradient, target):
        norms = gradient.abs().sum(dim=1)
        self.steps.append(tuple(norms[target == label].sum().item() for label in (0, 1)))


def train(losses, class_counts, seeds, epochs=40, learning_rate=0.01, test_rows=4000):
    """A small network per loss and seed on :func:`toy`.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    class_counts : sequence of int, (2,)
    seeds : sequence of int
        Each draws new training data and new first weights; the test data stay.
    epochs : int
    learning_rate : float
    test_rows : int
        Per class. Recall and false alarms do not depend on how often a class occurs.

    Returns
    -------
    scores : DataFrame
        ``name``, ``seed``, ``recall`` of the minority, ``false_alarms`` (share of the majority
        that is called minority), ``balanced_accuracy``.
    shares : DataFrame
        ``name``, ``seed``, ``epoch``, ``share``: the minority's share of the gradient norms. Epoch
        0 is the first step alone.
    models : dict of str to learner
        Of the first seed.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks this small only lose time to a second thread
    try:
        return _train(losses, class_counts, seeds, epochs, learning_rate, test_rows)
    finally:
        torch.set_num_threads(threads)


def _train(losses, class_counts, seeds, epochs, learning_rate, test_rows):
    X_test, y_test = toy([test_rows, test_rows], seed=10**6)
    prior = class_counts[1] / sum(class_counts)
    scores, shares, models = [], [], {}
    for seed in seeds:
        X, y = toy(class_counts, seed)
        for name, loss in losses.items():
            noting = GradientShare(loss)
            # LDAM's margins are margins of cosines.
            head = NormedLinear if isinstance(loss, LDAMLoss) else None
            model = MLP(hidden=(32, 16), epochs=epochs, batch_size=min(250, len(y)), loss=noting,
                        head=head, learning_rate=learning_rate, random_state=seed)  # fmt: skip
            model.fit(X, y)
            models.setdefault(name, model)
            p = model.predict_proba(X_test)[:, 1]
            scores.append((name, seed, *_scores(y_test, p > 0.5)))
            if name == "cross-entropy":
                scores.append((MOVED, seed, *_scores(y_test, p > prior)))
            sums = np.array(noting.steps)
            by_epoch = [part.sum(axis=0) for part in np.array_split(sums, epochs)]
            both = np.concatenate([sums[:1], by_epoch])
            table = {"epoch": range(epochs + 1), "share": both[:, 1] / both.sum(axis=1)}
            shares.append(pd.DataFrame(table).assign(name=name, seed=seed))
    scores = pd.DataFrame(scores, columns=["name", "seed", *RATES])
    return scores, pd.concat(shares, ignore_index=True), models


def _scores(y, called):
    recall, alarms = called[y == 1].mean(), called[y == 0].mean()
    return recall, alarms, (recall + 1 - alarms) / 2


def pulls(losses, batch, margins=(-4.0, 0.0, 4.0)):
    """How many times a minority sample's gradient is that of a majority sample.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    batch : tuple of (Tensor, Tensor)
    margins : sequence of float

    Returns
    -------
    DataFrame
        One row per loss, one column per margin; NaN where both gradients are zero.
    """
    table = curves(losses, np.array(margins), batch)
    wide = table.pivot_table("gradient", ["name", "margin"], "class", sort=False)
    ratio = (wide["minority"] / wide["majority"]).unstack("margin")[list(margins)]
    ratio.columns = [f"at margin {margin:g}" for margin in margins]
    return ratio.round(2).rename_axis("loss").reset_index()


def score_table(scores):
    """Mean ± standard deviation over seeds.

    Parameters
    ----------
    scores : DataFrame
        Of :func:`train`.

    Returns
    -------
    DataFrame
    """
    groups = scores.groupby("name", sort=False)[RATES]
    table = groups.mean().map("{:.3f}±".format) + groups.std().map("{:.3f}".format)
    table.columns = [column.replace("_", " ") for column in RATES]
    return table.rename_axis("loss").reset_index()


def margin_sentences(losses, class_counts, table):
    """What the curves show, with the numbers.

    Parameters
    ----------
    losses : dict of str to torch.nn.Module
    class_counts : array-like of shape (2,)
    table : DataFrame
        Of :func:`curves` for these losses.
    """
    wide = table.pivot(index=["name", "margin"], columns="class", values="gradient")
    apart = (wide["majority"] - wide["minority"]).abs().groupby("name", sort=False).max()
    blind = [name for name in losses if apart[name] < 1e-9]
    margins = table["margin"].unique()
    balanced, ldam = losses["balanced softmax"], losses["LDAM"]
    adjusted = LogitAdjustedLoss(class_counts)
    largest = max(
        np.abs(np.subtract(probe(balanced, margins, k), probe(adjusted, margins, k))).max()
        for k in (0, 1)
    )
    here, usual = (scale * ldam.margins.numpy() for scale in (ldam.scale, 30.0))
    odds = np.log(class_counts[0] / class_counts[1])
    return (
        f"- Balanced softmax and the logit-adjusted loss (tau = 1) are one curve: they differ by "
        f"at most {largest:.0e}. It is cross-entropy moved sideways by log(n₀/n₁) = {odds:.2f}, to "
        f"the right for the minority and to the left for the majority.\n"
        f"- LDAM is cross-entropy moved to the right for both classes, by {here[0]:.1f} (majority) "
        f"and {here[1]:.1f} (minority) at the scale {ldam.scale:g} of this figure, and by "
        f"{usual[0]:.1f} and {usual[1]:.1f} at its authors' scale 30.\n"
        f"- On these logarithmic axes weights move a curve up or down, margins and priors move it "
        f"sideways, and the focal losses bend it. OHEM here is cross-entropy times "
        f"{1 / losses['OHEM'].keep:.2f} up to a margin, then nothing.\n"
        f"- The classes pull alike, sample by sample, with {', '.join(blind)}: these do not know "
        f"which class is rare."
    )


def claim_sentences(table):
    """The three statements with their numbers and whether they hold."""
    weight = table.set_index(["name", "group"])["weight"]
    return "\n".join(
        f"- “{name} {CLAIM[name][0]}” **{'holds' if holds else 'does not hold'}**: against a "
        f"middle sample an easy one weighs {weight[name, 'easy']:.3g}, a very hard one "
        f"{weight[name, 'very hard']:.3g}."
        for name, holds in claim_holds(table).items()
    )


def noise_sentence(sweep):
    """From which share of wrong labels on GHM-C suppresses the very hard samples."""
    ghm = sweep[sweep["name"] == "GHM-C"].groupby("noise")["weight"]
    median, counted = ghm.median(), ghm.agg(lambda weight: (weight < 1).mean())
    always = [noise for noise in counted.index if (counted.loc[noise:] == 1).all()]
    clean = median.index[0]
    text = (
        f"With {100 * clean:g} % wrong labels GHM-C gives a very hard sample "
        f"{median.iloc[0]:.2g} times the weight of a middle one, with {100 * median.index[-1]:g} % "
        f"{median.iloc[-1]:.2g} times (medians over batches). "
    )
    if always:
        why = ", because they are many and not because they are hard" if median.iloc[0] > 1 else ""
        return (
            f"{text}It suppresses the very hard samples in every batch from {100 * always[0]:g} % "
            f"on{why}."
        )
    return text + "At no share that was tried are they suppressed in every batch."


def focal_sentence(gamma, right=0.9):
    """The focal loss of a well-classified sample, and its gradient, against cross-entropy."""
    at = focal_curves([0.0, gamma], [right]).set_index("gamma")
    grid = focal_curves([gamma], np.linspace(0.01, 0.99, 99))
    top = grid.loc[grid["weight"].idxmax()]
    return (
        f"With gamma = {gamma:g} the loss of a sample at p = {right:g} is "
        f"{at['loss'][0.0] / at['loss'][gamma]:.0f} times smaller than cross-entropy, but its "
        f"gradient, which is what trains, only {1 / at['weight'][gamma]:.0f} times. The gradient "
        f"is not smaller everywhere: at p = {top['p']:.2f} it is {top['weight']:.2f} times that of "
        f"cross-entropy."
    )


def first_loss_sentence(table, class_counts):
    """Which losses start without a bias gradient, and where."""
    prior = np.asarray(class_counts) / np.sum(class_counts)
    entropy = -(prior * np.log(prior)).sum()
    table = table.set_index("loss")
    at = table.loc["cross-entropy", "first loss, log-prior bias"]
    still = {
        start: ", ".join(table.index[table[f"bias gradient, {start}"] < 5e-4]) or "none"
        for start in STARTS
    }
    same = "which is" if abs(at - entropy) < 5e-4 else "which is not"
    return (
        f"At zero bias cross-entropy starts at log 2 = {np.log(2):.4f}, at the log-prior bias at "
        f"{at:.4f}, {same} the entropy of the class distribution, {entropy:.4f}. The bias has "
        f"nothing left to learn at the log prior for: {still['log-prior bias']}; and at zero for: "
        f"{still['zero bias']}. Where the table has a gradient, the first steps go into the bias."
    )


def boundary_sentence(scores):
    """Which losses move the boundary, and whether any beats a moved threshold."""
    means = scores.groupby("name", sort=False)[RATES].mean()
    plain, moved = means.loc["cross-entropy"], means.loc[MOVED]
    wide = scores.pivot(index="seed", columns="name", values="balanced_accuracy")
    others = [name for name in means.index if name not in ("cross-entropy", MOVED)]
    raised = [name for name in others if (wide[name] > wide["cross-entropy"]).all()]
    best = means.loc[others, "balanced_accuracy"].idxmax()
    difference = wide[best] - wide[MOVED]
    wins = int((difference > 0).sum())
    return (
        f"Plain cross-entropy finds {plain['recall']:.0%} of the minority with "
        f"{plain['false_alarms']:.1%} false alarms. Better balanced accuracy than plain with every "
        f"one of {len(wide)} seeds: {', '.join(raised) or 'no loss'}. The plain network with its "
        f"threshold moved to the prior, which costs nothing, reaches {moved['recall']:.0%} and "
        f"{moved['false_alarms']:.1%}: balanced accuracy {moved['balanced_accuracy']:.3f}, against "
        f"{means.loc[best, 'balanced_accuracy']:.3f} of the best loss ({best}), which is ahead "
        f"with {wins} of {len(wide)} seeds."
    )


def share_sentence(shares, name="focal", against="cross-entropy", level=0.4):
    """Whether a loss gives the minority a larger share of the gradient than another.

    Parameters
    ----------
    shares : DataFrame
        Of :func:`train`.
    name, against : str
    level : float
        The share whose first epoch is reported.
    """
    wide = shares.pivot(index="epoch", columns=["name", "seed"], values="share")
    reached = (wide >= level).idxmax().where((wide >= level).any(), wide.index[-1] + 1)
    first, mean = wide.loc[0], wide.loc[1:].mean()
    sooner = int((reached[name] < reached[against]).sum())
    later = int((reached[name] > reached[against]).sum())
    higher = int((mean[name] > mean[against]).sum())
    seeds = len(mean[name])
    return (
        f"At the first step the minority has {first[against].mean():.0%} of the gradient with "
        f"{against} and {first[name].mean():.0%} with {name}. It has {level:.0%} of it from epoch "
        f"{reached[against].mean():.1f} on with {against} and {reached[name].mean():.1f} with "
        f"{name} (sooner with {sooner}, later with {later} of {seeds} seeds). Over all epochs its "
        f"share is {mean[against].mean():.1%} and {mean[name].mean():.1%} (higher with {name} for "
        f"{higher} of {seeds} seeds)."
    )


@mpl.rc_context(STYLE)
def plot_loss(name, table, losses, models, class_counts, seed):
    """One loss: its value and gradient against the margin, and the boundary it trains.

    Parameters
    ----------
    name : str
        In ``losses``.
    table : DataFrame
        Of :func:`curves`.
    losses : dict of str to torch.nn.Module
        That the table was made with.
    models : dict of str to learner
        Of :func:`train`.
    class_counts : sequence of int, (2,)
    seed : int
        The one the models were trained with.
    """
    figure, (axes,) = new_figure(3.1, ncols=3)
    part = table[table["name"] == name]
    base = part[part["class"] == CLASSES[0]]
    for ax, quantity in zip(axes[:2], ("loss", "gradient"), strict=True):
        ax.plot(base["margin"], base[f"base_{quantity}"].abs(), color=FAINT, lw=4)
        for group, (colour, dash) in LOOKS.items():
            own = part[part["class"] == group]
            values = own[quantity].abs().where(own[quantity] != 0)
            ax.plot(own["margin"], values, color=colour, ls=dash, lw=1.7)
        ax.axvline(0, color="#808080", lw=0.8, ls=":")
        ends = table["margin"].min(), table["margin"].max()
        ax.set(yscale="log", ylim=(1e-3, 100), xlim=ends, xlabel="margin")
    axes[0].set(title="loss of one sample (nats, log)")
    axes[1].set(title="|gradient| to the margin (log)")
    X, y = toy(class_counts, seed)
    xs, ys, grid = _plane(X)
    _region(axes[2], X, y, xs, ys, models[name].predict_proba(grid)[:, 1], 0.5)
    plain = models["cross-entropy"].predict_proba(grid)[:, 1].reshape(len(ys), -1)
    look = {"colors": OF_PLAIN, "linewidths": 1.6, "linestyles": ":", "zorder": 4}
    axes[2].contour(xs, ys, plain, levels=[0.5], **look)
    axes[2].set(xlabel="feature 1", ylabel="feature 2", title="boundary on the toy")
    figure.suptitle(f"{name}, {SUBTITLES[name].format(losses[name])}", x=0.01, ha="left")
    handles = [Line2D([], [], color=c, ls=d, lw=1.7, label=n) for n, (c, d) in LOOKS.items()]
    handles += [
        Line2D([], [], color=FAINT, lw=4, label="unweighted loss"),
        Line2D([], [], color="black", lw=1.5, label="boundary"),
        Line2D([], [], color=OF_PLAIN, lw=1.6, ls=":", label="that of cross-entropy"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, handlelength=2.6)
    return figure


def _plane(X):
    """Two axes that hold the rows, and the points of their grid."""
    low, high = np.floor(X.min(axis=0)), np.ceil(X.max(axis=0))
    xs, ys = (np.linspace(low[i], high[i], 121) for i in (0, 1))
    return xs, ys, np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)


def _region(ax, X, y, xs, ys, p, cut):
    """Rows, where the network says minority, and the boundary."""
    p = p.reshape(len(ys), -1)
    ax.contourf(xs, ys, p > cut, levels=[0.5, 1.5], colors=["#fbe3bd"])
    ax.plot(*X[y == 0].T, ".", ms=1.6, color=PALETTE[0], zorder=2)
    ax.plot(*X[y == 1].T, "^", ms=3.2, mfc="none", mec=PALETTE[3], mew=0.7, zorder=3)
    ax.contour(xs, ys, p, levels=[cut], colors="black", linewidths=1.5)
    ax.grid(visible=False)


@mpl.rc_context(STYLE)
def plot_weights(weights, table, bins):
    """Samples, weight and effective gradient by gradient norm, and who gets the gradient.

    Parameters
    ----------
    weights : DataFrame
        Of :func:`gradient_weights`.
    table : DataFrame
        Of :func:`suppression`.
    bins : int
        Of GHM-C.
    """
    figure, ((top, right), (left, bars)) = new_figure(6.2, nrows=2, ncols=2)
    edges = np.linspace(0, 1, bins + 1)
    top.hist(weights["g"], edges, color=PALETTE[6], edgecolor="white", linewidth=0.6)
    top.set(yscale="log", ylabel="samples (logarithmic)", title="a  the batch", ylim=(10, None))
    for name, (colour, dash) in CLAIM_LOOKS.items():
        right.plot(weights["g"], weights[name], color=colour, ls=dash, lw=1.7, label=name)
        left.plot(weights["g"], weights[name] * weights["g"], color=colour, ls=dash, lw=1.7)
    right.set(yscale="log", ylim=(1e-3, None), ylabel="weight (logarithmic)",
              title="b  weight of a sample")  # fmt: skip
    left.set(ylabel="weight × g", title="c  effective gradient", ylim=(0, None))
    for ax in (top, right, left):
        ax.set(xlim=(0, 1), xlabel="gradient norm g (0 right, 1 wrong and sure)")
    rows = ["samples", *CLAIM]
    shares = table.pivot(index="name", columns="group", values="gradient")
    shares.loc["samples"] = table.drop_duplicates("group").set_index("group")["samples"]
    begin = np.zeros(len(rows))
    places = np.arange(len(rows))
    for part, colour in zip(GROUPS, (PALETTE[6], PALETTE[7], PALETTE[3]), strict=True):
        values = 100 * shares.loc[rows, part].to_numpy()
        bars.barh(places, values, left=begin, color=colour, height=0.62, edgecolor="white",
                  label=part)  # fmt: skip
        for place, value, start in zip(places, values, begin, strict=True):
            if value >= 3:
                bars.text(start + value / 2, place, f"{value:.0f}", ha="center", va="center")
        begin += values
    bars.set_yticks(places, rows)
    bars.set(ylim=(len(rows) - 0.5, -1.4), xlim=(0, 100), xlabel="% of samples, of the gradient",
             title="d  shares")  # fmt: skip
    bars.tick_params(axis="y", length=0)
    bars.grid(axis="y", visible=False)
    bars.legend(loc="upper left", ncols=3, handlelength=1, columnspacing=1, borderpad=0)
    figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=3,
                  handlelength=3.2)  # fmt: skip
    return figure


@mpl.rc_context(STYLE)
def plot_noise(sweep):
    """Median and range over batches of the very hard samples' weight.

    Parameters
    ----------
    sweep : DataFrame
        Of :func:`noise_sweep`.
    """
    figure, ((ax,),) = new_figure(3.2)
    for name, (colour, dash) in CLAIM_LOOKS.items():
        weight = sweep[sweep["name"] == name].groupby("noise")["weight"]
        x = 100 * weight.median().index
        ax.fill_between(x, weight.min(), weight.max(), color=colour, alpha=0.18, lw=0)
        ax.plot(x, weight.median(), color=colour, ls=dash, marker="o", ms=4, label=name)
    ax.set(yscale="log", xlabel="wrong labels (% of the batch)",
           ylabel="weight of a very hard sample\nover that of a middle one")  # fmt: skip
    ax.yaxis.set_major_formatter("{x:g}")
    ax.legend(loc="upper right", handlelength=3.2)
    return figure


@mpl.rc_context(STYLE)
def plot_focal(table):
    """Loss by probability, and weight of the gradient, for every gamma.

    Parameters
    ----------
    table : DataFrame
        Of :func:`focal_curves`.
    """
    figure, ((left, right),) = new_figure(3.4, ncols=2)
    gammas = list(dict.fromkeys(table["gamma"]))
    colours = mpl.colormaps["viridis"](np.linspace(0, 0.85, len(gammas)))
    for i, gamma in enumerate(gammas):
        part = table[table["gamma"] == gamma]
        look = {"color": colours[i], "ls": DASHES[i % len(DASHES)], "lw": 1.8}
        left.plot(part["p"], part["loss"], label=f"gamma {gamma:g}", **look)
        right.plot(part["p"], part["weight"], **look)
    left.set(ylim=(0, 5), ylabel="loss of one sample (nats)")
    right.set(ylim=(0, None), ylabel="gradient over that of cross-entropy")
    for ax in (left, right):
        ax.set(xlim=(0, 1), xlabel="probability of the true class")
    left.legend(loc="upper right", handlelength=3.2)
    return figure


@mpl.rc_context(STYLE)
def plot_boundaries(models, class_counts, scores, seed):
    """Decision regions of one seed, a panel per loss.

    Parameters
    ----------
    models : dict of str to learner
        Of :func:`train`.
    class_counts : sequence of int, (2,)
    scores : DataFrame
        Of :func:`train`.
    seed : int
        The one the models were trained with.
    """
    X, y = toy(class_counts, seed)
    xs, ys, grid = _plane(X)
    ratio = log_density_ratio(grid).reshape(len(ys), -1)
    numbers = scores[scores["seed"] == seed].set_index("name")
    prior = class_counts[1] / sum(class_counts)
    panels = ["cross-entropy", MOVED, *[name for name in models if name != "cross-entropy"]]
    figure, axes = new_figure(8.2, nrows=3, ncols=4, sharex=True, sharey=True)
    for ax, name in zip(axes.flat, panels, strict=False):
        model = models["cross-entropy" if name == MOVED else name]
        p = model.predict_proba(grid)[:, 1]
        _region(ax, X, y, xs, ys, p, prior if name == MOVED else 0.5)
        ax.contour(xs, ys, ratio, levels=[0], colors="#444444", linewidths=0.9, linestyles="--")
        row = numbers.loc[name]
        title = {"cross-entropy": "plain cross-entropy", "one-vs-rest": "one-vs-rest, no focus"}
        head = title.get(name, name)
        ax.set_title(f"{head}\nrecall {row['recall']:.0%}, alarms {row['false_alarms']:.1%}")
    for i, ax in enumerate(axes.flat):
        ax.set_visible(i < len(panels))
        ax.tick_params(labelbottom=i + 4 >= len(panels))  # also where the panel below is hidden
    figure.supxlabel("feature 1", fontsize=9)
    figure.supylabel("feature 2", fontsize=9)
    handles = [
        Line2D([], [], color=PALETTE[0], marker=".", ls="", label="majority"),
        Line2D([], [], color=PALETTE[3], marker="^", mfc="none", ls="", label="minority"),
        Line2D([], [], color="black", lw=1.5, label="boundary (shaded: called minority)"),
        Line2D([], [], color="#444444", lw=0.9, ls="--", label="best for balanced accuracy"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, handlelength=2)
    return figure


@mpl.rc_context(STYLE)
def plot_shares(shares, shown):
    """The minority's share of the gradient by epoch; means over seeds.

    Parameters
    ----------
    shares : DataFrame
        Of :func:`train`.
    shown : list of str
        At most one per colour.
    """
    figure, ((ax,),) = new_figure(3.4)
    mean = shares.groupby(["name", "epoch"])["share"].mean()
    for i, name in enumerate(shown):
        colour = "black" if i == 0 else PALETTE[i - 1]
        ax.plot(100 * mean[name], color=colour, ls=DASHES[i % len(DASHES)], lw=1.7, label=name)
    ax.axhline(50, color="#808080", lw=0.8, ls=":")
    ax.set(xlim=(0, shares["epoch"].max()), ylim=(0, 100), xlabel="epoch (0: the first step)",
           ylabel="minority's share of the\ngradient norms (%)")  # fmt: skip
    figure.legend(loc="outside right upper", handlelength=3.2)
    return figure


def conclusion(table, sweep, scores, shares):
    """What came out, in one list.

    Parameters
    ----------
    table : DataFrame
        Of :func:`suppression`.
    sweep : DataFrame
        Of :func:`noise_sweep`.
    scores, shares : DataFrame
        Of :func:`train`.
    """
    holds = claim_holds(table)
    weight = sweep[sweep["name"] == "GHM-C"].groupby("noise")["weight"].median()
    does, does_not = (
        ", ".join(f"{100 * noise:g} %" for noise in weight.index[part]) or "no share"
        for part in (weight < 1, ~(weight < 1))
    )
    reach = (
        f"GHM-C's part needs many very hard samples: in the median batch it suppresses them at "
        f"{does} of wrong labels and not at {does_not}."
    )
    recall = scores.pivot(index="seed", columns="name", values="recall")
    gain = recall.sub(recall["cross-entropy"], axis=0).drop(columns="cross-entropy")
    order = gain.mean().sort_values(ascending=False).index
    gains = ", ".join(f"{name} {100 * gain[name].mean():+.0f}" for name in order)
    mean = shares[shares["epoch"] > 0].groupby(["name", "seed"])["share"].mean()
    difference = mean["focal"] - mean["cross-entropy"]
    signs = set(np.sign(difference))
    verdict = "undecided" if len(signs) > 1 else {1: "supported"}.get(signs.pop(), "contradicted")
    return (
        f"- {sum(holds.values())} of the 3 statements about cross-entropy, focal and GHM-C hold in "
        f"the batch of this notebook. {reach}\n"
        f"- Minority recall on the toy against plain cross-entropy, in points, mean of "
        f"{len(recall)} seeds: {gains}. (“{MOVED}” is cross-entropy with another cut.)\n"
        f"- Over the whole training focal changes the minority's share of the gradient by "
        f"{100 * difference.mean():+.1f} points against cross-entropy (upwards with "
        f"{int((difference > 0).sum())} of {len(difference)} seeds). That it shifts effort to the "
        f"minority is **{verdict}** on this toy, which is one problem; the study asks real data."
    )
