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
    return {"datasets": dict.fromkeys(sizes, ENTRY)}


def test_the_line_goes_through_the_measured_times(tmp_path):
    sizes = {f"d{i}": 10**i for i in range(3, 8)}
    given = study(tmp_path, sizes, {name: size**0.5 for name, size in sizes.items()})
    assert minutes(tmp_path, given, "tabular", 10**5) == pytest.approx(10**2.5 / 60)
    # Towards the mean a little, as the slope is held back.
    assert 10**3.5 / 60 * 0.9 < minutes(tmp_path, given, "tabular", 10**7) < 10**3.5 / 60
    assert minutes(tmp_path, given, "text", 10**5) is None
    del given["datasets"]["d3"], given["datasets"]["d4"], given["datasets"]["d5"]
    assert minutes(tmp_path, given, "tabular", 10**5) is None


def test_without_times_or_lock_nothing_is_known(tmp_path):
    assert minutes(tmp_path, {"datasets": {"a": ENTRY}}, "tabular", 100) is None
