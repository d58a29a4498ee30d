from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from imbbench.data.columns import column_of, counted, empty_in, is_one_of, listed, without

WORDS = st.lists(st.sampled_from(["", "a", "b", "NA", "ä"]), max_size=12)


@given(WORDS, WORDS)
def test_columns_do_what_lists_do(values, words):
    column = column_of(values)
    assert listed(column) == values
    assert list(counted(column).items()) == list(Counter(values).items())
    assert is_one_of(column, words).to_pylist() == [value in words for value in values]
    assert listed(without(column, words)) == [value for value in values if value not in words]
    assert empty_in(column) == values.count("")


def test_a_column_of_several_pieces_is_one(words=("a", "", "a")):
    column = pa.chunked_array([column_of([word]).chunk(0) for word in words])
    assert listed(column) == [*words] and counted(column) == {"a": 2, "": 1}
    assert empty_in(column) == 1 and listed(without(column, [""])) == ["a", "a"]


def test_a_word_that_is_no_text_stands_nowhere():
    assert is_one_of(column_of(["a", ""]), ["\udcff", "a"]).to_pylist() == [True, False]
