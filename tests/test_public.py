"""The names that other people's code relies on, and the modules that hand them out."""

import ast
import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NAMES = {
    "losses": [
        "inverse_frequency_weights",
        "inverse_sqrt_weights",
        "effective_number_weights",
        "log_prior_bias",
        "start_bias",
        "WeightedCrossEntropy",
        "FocalLoss",
        "SigmoidFocalLoss",
        "GHMCLoss",
        "ClassBalancedLoss",
        "LDAMLoss",
        "BalancedSoftmaxLoss",
        "LogitAdjustedLoss",
        "OHEMLoss",
    ],
    "posthoc": [
        "adjust_logits",
        "recalibrate",
        "tau_normalize",
        "correct_undersampling",
        "fit_temperature",
    ],
    "schedules": [
        "sampling_probabilities",
        "drw_weights",
        "DeferredReweighting",
        "NormedLinear",
        "LearnableWeightScaling",
        "NearestClassMean",
        "bbn_mix",
        "meta_weight_net_step",
        "weight_network",
        "MetaStep",
    ],
    "samplers": ["ConditionalGAN", "IterativePreClassification"],
    "ensembles": [
        "SelfPacedEnsemble",
        "BalanceCascade",
        "SMOTEBagging",
        "RUSBoost",
        "SMOTEBoost",
        "AdaCost",
        "MESA",
    ],
}


@pytest.mark.parametrize("module", NAMES)
def test_public_names(module):
    found = importlib.import_module(f"imbbench.{module}")
    assert sorted(found.__all__) == sorted(NAMES[module])
    assert all(callable(getattr(found, name)) for name in NAMES[module])


@pytest.mark.parametrize("module", NAMES)
def test_public_modules_hold_imports_and_nothing_else(module):
    tree = ast.parse((ROOT / f"imbbench/{module}.py").read_text("utf-8"))
    docstring, *imports, names = tree.body
    assert isinstance(docstring.value, ast.Constant)
    assert {type(statement) for statement in imports} == {ast.ImportFrom}
    assert names.targets[0].id == "__all__"
    imported = {alias.asname or alias.name for line in imports for alias in line.names}
    assert imported == set(ast.literal_eval(names.value))


def modules_of(code):
    """Names of the modules that some code imports, or may."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def code_of(path):
    if path.suffix == ".py":
        return path.read_text("utf-8")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    lines = [line for cell in cells if cell["cell_type"] == "code" for line in cell["source"]]
    return "\n".join(line.rstrip("\n") for line in lines)


def test_imports_are_found():
    assert modules_of("from imbbench import losses\nimport imbbench.posthoc as p") >= {
        "imbbench.losses",
        "imbbench.posthoc",
    }


def test_the_study_imports_none_of_them():
    """They are for users: an edit of one must not make a result stale."""
    public = {f"imbbench.{module}" for module in NAMES}
    paths = [*ROOT.glob("imbbench/**/*.py"), *ROOT.glob("notebooks/*.ipynb")]
    assert len(paths) > 50
    wrong = {str(path): modules_of(code_of(path)) & public for path in paths}
    assert {path: found for path, found in wrong.items() if found} == {}
