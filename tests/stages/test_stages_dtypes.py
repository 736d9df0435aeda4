"""A model gets the same from its server as from the probe, whatever type its training data have."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.batch import Batch
from harness.contract.cells import cells, moment
from harness.contract.wire import to_column
from harness.runtime import adapter, inputs, v2
from harness.stages.v2 import infer_body

WHOLE = (
    st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300) | st.sampled_from([127, 128, -129])
)
REAL = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.1, 1e300, 0.5, 2.0**24]
)
MOMENT = st.datetimes().map(lambda at: moment(at.isoformat() + "Z")) | st.sampled_from(
    [
        moment(text)
        for text in ("1677-09-21T00:00:00Z", "2262-04-11T23:47:16Z", "2262-04-12T00:00:00Z")
    ]
)
WORD = st.sampled_from(["a", "b", "never seen", ""])
WORDS = 'category:["a", "b"]'
HELD = {
    **dict.fromkeys(
        ("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"), ("integer", WHOLE)
    ),
    "": ("integer", WHOLE),
    "Int64": ("integer", WHOLE),
    "float32": ("number", REAL),
    "Float64": ("number", REAL),
    "boolean": ("boolean", st.booleans()),
    **dict.fromkeys(("datetime64[ns]", "datetime64[ms]", "datetime64[us]"), ("datetime", MOMENT)),
    "datetime64[ns, UTC]": ("datetime", MOMENT),
    **dict.fromkeys(("string", "category", WORDS), ("string", WORD)),
}


@pytest.mark.parametrize("dtype", HELD)
@given(data=st.data())
def test_a_server_gives_what_the_probe_gives(dtype: str, data: st.DataObject) -> None:
    kind, values = HELD[dtype]
    drawn = data.draw(st.lists(values, min_size=1, max_size=5))
    gone = data.draw(st.lists(st.booleans(), min_size=len(drawn), max_size=len(drawn)))
    listed = [None if absent else value for value, absent in zip(drawn, gone, strict=True)]
    column = cells("x", kind, listed, dtype="" if dtype == "datetime64[us]" else dtype)
    batch = Batch(columns=(column,))

    served = v2.read(infer_body(batch), outputs=(), held={"x": dtype})

    assert built([to_column(column)]).equals(built(served.columns))


def built(columns: Any) -> pd.DataFrame:
    """Return what a model gets; of what can't be built, the kind of trouble."""
    try:
        return pd.DataFrame(adapter.build(columns, kind="pandas"))
    except inputs.Unbuildable:
        return pd.DataFrame({"unbuildable": []})


@pytest.mark.parametrize("kind", ["pandas", "pyarrow", "numpy"])
@pytest.mark.parametrize("datatype", ["INT64", "FP64", "BOOL", "BYTES"])
@pytest.mark.parametrize("dtype", [*HELD, "category:[1, 2]", "category:[true, false]", "date"])
def test_nothing_but_null_is_a_request_like_any_other(dtype: str, datatype: str, kind: str) -> None:
    """A client that has no value knows no type: never a 5xx."""
    tensor = {"name": "x", "shape": [2], "datatype": datatype, "data": [None, None]}

    request = v2.read(json.dumps({"inputs": [tensor]}).encode(), outputs=(), held={"x": dtype})

    try:
        assert 2 == len(adapter.build(request.columns, kind=kind))
    except inputs.Unbuildable:
        assert "numpy" == kind  # an array of numbers holds no text


def test_the_first_hour_of_the_first_year_is_a_moment_in_any_zone() -> None:
    tensor = {"name": "x", "shape": [1], "datatype": "BYTES", "data": ["0001-01-01T00:00:00+01:00"]}

    request = v2.read(
        json.dumps({"inputs": [tensor]}).encode(), outputs=(), held={"x": "datetime64[us]"}
    )

    expected = built([to_column(cells("x", "datetime", [moment(tensor["data"][0])]))])
    assert built(request.columns).equals(expected)
