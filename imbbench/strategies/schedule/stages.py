"""Training for all epochs, and in two stages."""

from imbbench.bench.counts import sampling_probabilities
from imbbench.bench.neural import MLP
from imbbench.strategies.schedule.draws import sampled

SWITCH = 0.8  # share of training after which deferred and second stages begin


def fit_all_epochs(cell, **settings):
    """The learner without early stopping."""
    cell.need(cell.neural, f"{cell.learner} is not trained in batches")
    return cell.fit(patience=None, **settings)


def epochs_of_parts(cell, share):
    """Epochs of a first part of training and of the rest."""
    cell.need(cell.neural, f"{cell.learner} is not trained in batches")
    epochs = cell.make().epochs
    cell.need(epochs > 1, "the learner has one epoch, two are needed")
    first = min(max(1, round(share * epochs)), epochs - 1)
    return first, epochs - first


class OnFeatures:
    """A classifier on the features of a trained network, which it leaves as it is."""

    def __init__(self, network, classifier):
        self.network = network
        self.classifier = classifier

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        return self.classifier.predict_proba(self.network.embed(X))


def second_stage(cell, head, learning_rate):
    """Train a head with class-balanced batches on the frozen features of a plain first stage."""
    first, rest = epochs_of_parts(cell, SWITCH)
    network = fit_all_epochs(cell, epochs=first)
    balanced = sampling_probabilities(cell.class_counts, 0)
    classifier = MLP(
        hidden=(),
        epochs=rest,
        patience=None,
        batch_size=network.batch_size,
        learning_rate=learning_rate,
        draw=lambda y, progress, rng: sampled(y, balanced, rng),
        head=head(network),
        random_state=cell.seed,
    ).fit(network.embed(cell.X), cell.y)
    cell.rows_seen += classifier.rows_seen_
    return OnFeatures(network, classifier)
