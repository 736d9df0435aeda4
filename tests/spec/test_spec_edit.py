"""A changed value is all that changes in a file that a person wrote."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import SpecInvalid
from harness.lock import toml
from harness.spec import edit


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("version = 1", "version = 2"),
        ("version=1# why\n", "version=2# why\n"),
        ("# version = 1\n  version = 1\r\nx = 1\r\n", "# version = 1\n  version = 2\r\nx = 1\r\n"),
        ('"version" = 0x1\n', '"version" = 2\n'),
        ('a = """\nversion = 1\n"""\nversion = 1\n', 'a = """\nversion = 1\n"""\nversion = 2\n'),
        ("version = 1\n[t]\nversion = 1\n", "version = 2\n[t]\nversion = 1\n"),
        ("\ufeffversion = 1\n", "\ufeffversion = 2\n"),
    ],
)
def test_one_value_is_replaced_and_every_other_byte_stays(text: str, expected: str) -> None:
    assert expected == edit.changed(text, {"version": 2}, where="environment.toml")


@pytest.mark.parametrize("text", ["x = 1\n", "[version]\n", "[t]\nversion = 1\n"])
def test_what_is_not_there_on_a_line_is_refused(text: str) -> None:
    with pytest.raises(SpecInvalid, match="version can't be changed in place"):
        edit.changed(text, {"version": 2}, where="environment.toml")


@given(st.text(), st.integers(1, 10**6))
def test_whatever_text_stands_beside_it_means_the_same(beside: str, version: int) -> None:
    text = f"{toml.dumps({'beside': beside})}version = 1 # {version}\n"

    changed = edit.changed(text, {"version": version}, where="environment.toml")

    assert {"beside": beside, "version": version} == tomllib.loads(changed)
