"""The list of wrong edits keeps up with the code that they are made in."""

import mutants
import pytest


@pytest.mark.parametrize("name", sorted(mutants.MUTANTS))
def test_every_wrong_edit_has_its_place(name):
    text = (mutants.ROOT / "imbbench" / name).read_text(encoding="utf-8")
    assert [old for old, _ in mutants.MUTANTS[name] if text.count(old) != 1] == []
