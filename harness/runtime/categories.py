"""Categories: which ones a column comes with beside those that its rows hold, and in which order.

``category:["a", "b"]`` are the training data's, kept in every batch, with whatever else is there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime.cells import library
else:
    from cells import library


def categorical(values: Any, dtype: str) -> Any:
    """Return *values* as a pandas Categorical, with the categories that *dtype* asks for."""
    held = library("pandas").Categorical(values)
    known = held.categories
    if dtype.startswith("category:["):
        return held.set_categories(_and_more(dtype, known))
    if dtype == "category:reversed":
        return held.reorder_categories(known[::-1])
    if dtype == "category:extra":
        return held.set_categories([" harness unused", *known, "harness unused"])
    return held


def dictionary(values: Any, dtype: str) -> Any:
    """Return *values* as an Arrow dictionary array, with the entries that *dtype* asks for."""
    held = values.dictionary_encode()
    arrow, compute = library("pyarrow"), library("pyarrow.compute")
    if dtype.startswith("category:["):
        known = _and_more(dtype, held.dictionary.to_pylist())
        whole = arrow.array(known, held.dictionary.type)
        return arrow.DictionaryArray.from_arrays(compute.index_in(values, whole), whole)
    if dtype == "category:reversed":
        last = arrow.scalar(len(held.dictionary) - 1, held.indices.type)
        indices = compute.subtract(last, held.indices)
        return arrow.DictionaryArray.from_arrays(indices, held.dictionary[::-1])
    if dtype == "category:extra":
        unused = arrow.array([" harness unused"], held.dictionary.type)
        indices = compute.add(held.indices, arrow.scalar(1, held.indices.type))
        whole = arrow.concat_arrays([unused, held.dictionary])
        return arrow.DictionaryArray.from_arrays(indices, whole)
    return held


def _and_more(dtype: str, there: Any) -> list[Any]:
    known = json.loads(dtype.partition(":")[2])
    return [*known, *(value for value in there if value not in set(known))]
