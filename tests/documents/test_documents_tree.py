"""Documents as trees and as columns."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.contract.documents.rows import Documents, batch_of, columns_of, documents_of
from harness.contract.documents.tree import ABSENT, at, drop, path_of, places, pointer, put

KEYS = st.text("ab/~0", max_size=3)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=3)
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
DOCUMENTS = st.dictionaries(KEYS, TREES, max_size=4)


def exact(value: Any) -> str:
    """1, 1.0 and true are three values; the order of keys is none."""
    if isinstance(value, dict):
        return repr(sorted((key, exact(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return repr([exact(inner) for inner in value])
    return repr(value)


@given(st.lists(DOCUMENTS, min_size=1, max_size=4))
def test_documents_laid_out_as_columns_are_the_same_when_put_together(documents: list[Any]) -> None:
    laid = columns_of(documents)

    if laid.columns:
        back = documents_of(laid, spare=documents[0])
        assert [exact(document) for document in documents] == [exact(document) for document in back]


@given(DOCUMENTS)
def test_a_pointer_names_the_path_that_it_was_made_of(document: Any) -> None:
    """RFC 6901 section 3: "~" and "/" are escaped as "~0" and "~1"."""
    for path in places(document):
        assert path == path_of(pointer(path))
        assert at(document, path) is not ABSENT


@given(DOCUMENTS)
def test_a_change_leaves_the_document_it_was_made_of_alone(document: Any) -> None:
    before = exact(document)

    for path in places(document):
        assert "new" == at(put(document, path, "new"), path)
        drop(document, path)

    assert before == exact(document)


def test_a_longer_array_repeats_its_items() -> None:
    laid = columns_of([{"a": [1, 2]}, {"a": [1, 2, 3, 4, 5]}])
    short = laid.take([0]).put(laid["length of /a"].take([1]))  # type: ignore[arg-type]

    assert [{"a": [1, 2, 1, 2, 1]}] == documents_of(short, spare={})


def test_a_batch_is_read_by_pointer() -> None:
    batch = batch_of([{"a": {"b": 1}}, {"a": {"b": 2}}, {}])

    column = batch["/a/b"]

    assert isinstance(batch, Documents)
    assert [1, 2, None] == [column.at(row) for row in range(3)]
    assert "integer" == column.kind
