import json

import pytest

from imbbench.data.duration import minutes

ENTRY = {"modality": "tabular"}


def study(folder, sizes, seconds):
    """A study whose data sets have such prepared files and took so long, half in either stage."""
    lock = ["schema: '2.0'", "stages:"]
    for name, size in sizes.items():
        lock += [f"  prepare@{name}:", "    outs:", f"    - path: data/prepared/{name}/data.csv"]
        lock += ["      hash: md5", "      md5: abc", f"      size: {size}"]
        timings = folder / "results/timings" / name
        timings.mkdir(parents=True)
        for family in ("loss", "prior"):
            (timings / f"{family}.json").write_text(
                json.dumps({"stage_seconds": seconds[name] / 2})
            )
    (folder / "dvc.lock").write_text("\n".join(lock) + "\n")
    return {"protocol": {"folds": 5}, "datasets": dict.fromkeys(sizes, ENTRY)}


def test_the_line_goes_through_the_measured_times(tmp_path):
    sizes = {f"d{i}": 10**i for i in range(3, 8)}
    given = study(tmp_path, sizes, {name: size**0.5 for name, size in sizes.items()})
    assert minutes(tmp_path, given, "tabular", 10**5) == (pytest.approx(10**2.5 / 60), False)
    # Towards the mean a little, as the slope is held back.
    found, beyond = minutes(tmp_path, given, "tabular", 10**7)
    assert 10**3.5 / 60 * 0.9 < found < 10**3.5 / 60 and not beyond
    assert minutes(tmp_path, given, "tabular", 3 * 10**7)[1]
    assert minutes(tmp_path, given, "text", 10**5) is None
    del given["datasets"]["d3"], given["datasets"]["d4"], given["datasets"]["d5"]
    assert minutes(tmp_path, given, "tabular", 10**5) is None


def test_cells_that_were_kept_count_as_fitted(tmp_path):
    """Of 50 seconds of processor time on two cores the last run spent 10; one stage has no time."""
    given = study(tmp_path, dict.fromkeys("abc", 1000), dict.fromkeys("abc", 60))
    del given["protocol"]
    assert minutes(tmp_path, given, "tabular", 1000)[0] == pytest.approx(1)
    for name in "abc":
        timings = tmp_path / "results/timings" / name
        loop = {"stage_seconds": 10, "cpu_seconds": 10, "kept": 3, "cores": 2}
        (timings / "loss.json").write_text(json.dumps(loop))
        (timings / "loss.csv").write_text("learner,cpu_seconds\nlogreg,40\nlogreg,10\n")
        (timings / "prior.json").write_text(json.dumps({"loop_seconds": 30, "kept": 0}))
        given["datasets"][name] = ENTRY | {"splits": 5}
        given["learners"] = {"logreg": None}
    assert minutes(tmp_path, given, "tabular", 1000)[0] == pytest.approx((10 + 40 / 2 + 30) / 60)


def test_without_times_or_lock_nothing_is_known(tmp_path):
    given = {"protocol": {"folds": 5}, "datasets": {"a": ENTRY}}
    assert minutes(tmp_path, given, "tabular", 100) is None


def test_fewer_splits_count_as_all(tmp_path):
    """Half of the 20 seconds are logreg's, which would take 25 on five splits; cnn has but two."""
    given = study(tmp_path, {"a": 1000, "b": 10**4, "c": 10**5}, {"a": 35, "b": 35, "c": 20})
    given["datasets"]["c"] = ENTRY | {"splits": 2}
    given["learners"] = {"logreg": None, "cnn": {"splits": 2}}
    (tmp_path / "results/timings/c/loss.csv").write_text(
        "learner,cpu_seconds\nlogreg,3\nlogreg,1\ncnn,4\n"
    )
    assert minutes(tmp_path, given, "tabular", 500)[0] == pytest.approx(35 / 60)
    (tmp_path / "results/timings/c/loss.csv").unlink()
    assert minutes(tmp_path, given, "tabular", 500)[0] != pytest.approx(35 / 60)
