"""Files that people wrote, and the place of what is wrong in them."""

from pathlib import Path

import pytest

from harness.core.errors import SpecInvalid, SpecMissing
from harness.spec import document


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = \n", "line 2, column 5"),
        ('a = 1\n\nb = "open', "line 3, column 10"),
        ("a = 1\na = 2\n", "line 2, column 6"),
        ("[t]\nx = [1,\n", "line 3, column 1"),
        ("a = 1\r\nb = \r\n", "line 2, column 5"),
        ("n = " + "9" * 5000, "line 1, column"),
    ],
)
def test_broken_toml_is_placed(tmp_path: Path, text: str, place: str):
    file = tmp_path / "harness.toml"
    file.write_bytes(text.encode())

    with pytest.raises(SpecInvalid, match=place) as raised:
        document.toml(file)

    assert str(file) in raised.value.message
    assert "(at " not in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{"a": 1, "a": 2}', '"a" appears twice'),
        ('{"a": NaN}', "NaN is not a JSON number"),
        ('{"a": -Infinity}', "-Infinity is not a JSON number"),
        ("", "line 1, column 1"),
    ],
)
def test_broken_json_is_placed(tmp_path: Path, text: str, reason: str):
    file = tmp_path / "inputs.schema.json"
    file.write_text(text)

    with pytest.raises(SpecInvalid, match=reason):
        document.parsed_json(file)


def test_bytes_that_are_not_utf_8_are_placed(tmp_path: Path):
    file = tmp_path / "harness.toml"
    file.write_bytes(b"a = 1\nb = '\xff'\n")

    with pytest.raises(SpecInvalid, match="line 2, column 6: not UTF-8"):
        document.toml(file)


def test_a_byte_order_mark_is_not_part_of_the_document(tmp_path: Path):
    file = tmp_path / "harness.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\n")

    assert {"a": 1} == document.toml(file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SpecMissing, match=r"absent\.toml is not there"):
        document.toml(tmp_path / "absent.toml")


def test_a_folder_in_the_place_of_a_file_is_an_error_and_no_traceback(tmp_path: Path):
    with pytest.raises(SpecMissing, match="can't be read: Is a directory"):
        document.toml(tmp_path)


def test_a_value_is_found_by_its_place_and_absence_is_none():
    raw = {"data": {"described": {"grain": "one bird"}}, "list": [1]}

    assert "one bird" == document.value_at(raw, ("data", "described", "grain"))
    assert document.value_at(raw, ("data", "holdout", "x")) is None
    assert document.value_at(raw, ("list", 0)) is None
