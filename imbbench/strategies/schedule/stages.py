"""Training in steps, and in two stages."""

from imbbench.bench.counts import sampling_probabilities
from imbbench.bench.neural import MLP
from imbbench.strategies.schedule.draws import sampled

SWITCH = 0.8  # share of training after which deferred and second stages begin


def fit_in_steps(cell, **settings):
    """The learner, where it is trained step by step."""
    cell.need(cell.neural, f"{cell.learner} is not trained in batches")
    return cell.fit(**settings)


class OnFeatures:
    """A classifier on the features of a trained network, which it leaves as it is."""

    def __init__(self, network, classifier):
        self.network = network
        self.classifier = classifier
        self.scores_only = getattr(classifier, "scores_only", False)

    def predict_proba(self, X):
        """Probabilities, (N, C)."""
        return self.classifier.predict_proba(self.network.embed(X))


def second_stage(cell, head, learning_rate):
    """Train a head with class-balanced batches on the frozen features of a plain first stage."""
    cell.need(cell.neural, f"{cell.learner} is not trained in batches")
    cell.need(cell.steps > 1, "the learner makes one step, two stages need two")
    first = min(max(1, round(SWITCH * cell.steps)), cell.steps - 1)
    network = cell.fit(steps=first)
    balanced = sampling_probabilities(cell.class_counts, 0)
    classifier = MLP(
        hidden=(),
        epochs=0,
        steps=cell.steps - first,
        batch_size=network.batch_size,
        learning_rate=learning_rate,
        draw=lambda y, progress, rng, size: sampled(y, balanced, rng, size),
        head=head(network),
        random_state=cell.seed,
    ).fit(network.embed(cell.X), cell.y)
    cell.rows_seen += classifier.rows_seen_
    model = OnFeatures(network, classifier)
    model.prior_ = balanced
    return model
