import numpy as np
import pandas as pd
import pytest

from imbbench.chapters import noise_and_gaps as chapter


@pytest.fixture
def networks(study):
    study.learners["mlp"] = {"hidden": [4], "epochs": 1, "steps": 40, "batch_size": 16}
    study.families += ["oversampling", "augmentation"]
    study.strategies["oversampling"] = {"over_1_1": {"random": 1}, "smote": {"ratio": 1}}
    study.strategies["augmentation"] = {"copies": {"copies": 2}, "eda": {"edit": "any", "ratio": 2}}
    return study


def test_as_many_labels_of_either_class_are_wrong():
    y = np.repeat([0, 1], [900, 100])
    wrong = chapter.flip(y, 0.2, np.random.default_rng(0))
    assert (wrong[:900] == 1).sum() == 180 and (wrong[900:] == 0).sum() == 20
    assert (y == np.repeat([0, 1], [900, 100])).all()
    assert (chapter.flip(y, 0.0, np.random.default_rng(0)) == y).all()
    few, many = (chapter.flip(y, share, np.random.default_rng(0)) != y for share in (0.1, 0.2))
    assert (few <= many).all() and few.sum() == 100


def test_losses_see_the_same_wrong_labels_and_right_ones_are_scored(networks, monkeypatch):
    seen = {}
    real = chapter.Cell.fit

    def fit(self, X, y, **settings):
        seen[type(settings.get("loss")).__name__] = y.copy()
        return real(self, X, y, **settings)

    monkeypatch.setattr(chapter.Cell, "fit", fit)
    found = [
        chapter.noisy(networks, chapter.Noisy("binary", loss, 0.2, 0)) for loss in chapter.LOSSES
    ]
    assert len(seen) == 3
    first, *others = seen.values()
    assert all((first == other).all() for other in others)
    assert all(0 < row["average_precision"] <= 1 for row in found)


def test_what_is_learnt_by_heart_is_scored_on_the_part_as_it_is(networks):
    found = chapter.learnt(networks, chapter.Learnt("binary", "tree", "copies", 0))
    assert found["train"] > found["test"]
    assert chapter.learnt(networks, chapter.Learnt("binary", "tree", "augmented texts", 0)) is None


def tables():
    noise = pd.DataFrame(
        {"dataset": d, "loss": loss, "flipped": share, "split": 0,
         "average_precision": 0.6 - share + (share * gain)}
        for d in "abc"
        for loss, gain in zip(chapter.LOSSES, (0.0, 0.1, 0.2), strict=True)
        for share in chapter.FLIPPED
    )  # fmt: skip
    gaps = pd.DataFrame(
        {"dataset": d, "learner": learner, "strategy": strategy, "split": 0,
         "train": 0.8 + more + (learner == "tree") * more, "test": 0.7 - more / 2}
        for d in "abc"
        for learner in ("logreg", "tree")
        for strategy, more in (("plain", 0.0), ("copies", 0.1))
    )  # fmt: skip
    return noise, gaps


def test_what_it_says():
    assert chapter.conclusion(*tables()).splitlines() == [
        "- With 30% of the labels wrong, average precision minus that of cross-entropy: focal, γ = "
        "2 +0.030 [+0.030, +0.030]; GHM, 10 bins +0.060 [+0.060, +0.060]. With none wrong: focal, "
        "γ = 2 +0.000 [+0.000, +0.000]; GHM, 10 bins +0.000 [+0.000, +0.000].",
        "- With copies the gap between training and test widens most with `tree`: by +0.250 "
        "[+0.250, +0.250]; on the test rows that changes average precision there by -0.050 "
        "[-0.050, -0.050].",
    ]


def test_tables_for_reading():
    noise, gaps = tables()
    found = chapter.shown_noise(chapter.losses_on_noise(noise))
    assert found.columns.tolist() == ["wrong labels (%)", "GHM, 10 bins", "focal, γ = 2"]
    assert found["wrong labels (%)"].tolist() == [0, 5, 10, 20, 30]
    found = chapter.shown_gaps(chapter.gaps_to_plain(gaps))
    assert found.to_numpy().tolist()[:2] == [
        ["`logreg`", "plain", 3, 0.1, "", ""],
        ["`logreg`", "copies", 3, 0.25, "+0.150 [+0.150, +0.150]", "-0.050 [-0.050, -0.050]"],
    ]


def test_the_figure_has_a_line_for_every_loss():
    (axes,) = chapter.plot(tables()[0]).axes
    assert [line.get_label() for line in axes.lines] == list(chapter.LOSSES)
    assert axes.lines[0].get_ydata() == pytest.approx([0.6, 0.55, 0.5, 0.4, 0.3])
