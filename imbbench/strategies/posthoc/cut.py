"""Models with corrected scores or a decision rule of their own."""

from imbbench.bench.protocol import decide


class Corrected:
    """A fitted model whose probabilities go through a function."""

    def __init__(self, model, correct):
        self.model = model
        self.correct = correct

    def predict_proba(self, X):
        """Corrected probabilities, (N, C)."""
        return self.correct(self.model.predict_proba(X))


class Cut:
    """A fitted model with a decision rule of its own: offsets of the log-probabilities."""

    def __init__(self, model, offsets):
        self.model = model
        self.offsets = offsets

    def predict_proba(self, X):
        """The model's probabilities, (N, C)."""
        return self.model.predict_proba(X)

    def predict(self, X):
        """Classes by the rule, (N,)."""
        return decide(self.predict_proba(X), self.offsets)


class Cheapest(Cut):
    """A fitted model that predicts the class of the lowest expected cost."""

    def __init__(self, model, costs):
        self.model = model
        self.costs = costs

    def predict(self, X):
        """Classes by expected cost, (N,); the smaller class of equals."""
        expected = (self.predict_proba(X) @ self.costs)[:, ::-1]
        return expected.shape[1] - 1 - expected.argmin(axis=1)
