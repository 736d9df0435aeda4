"""A page of an index: the wheels of one version are those that reading all of it would find."""

from __future__ import annotations

import html
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import InvalidWheelFilename, parse_wheel_filename
from packaging.version import Version

from harness.lock.wheel_index import Offered, offered

PAGE = "https://index.example/simple/tool/"
SPELLED = ("1", "1.0", "1.0.0", "v1.0", "1.0.post1", "1.0+local.2", "2!1.0", "1.0rc1", "nonsense")
NAMES = st.one_of(
    st.sampled_from(SPELLED).map(lambda version: f"tool-{version}-py3-none-any.whl"),
    st.sampled_from(SPELLED).map(lambda version: f"tool-{version}-7-cp311-cp311-linux_x86_64.whl"),
    st.sampled_from(SPELLED).map(lambda version: f"tool-{version}.tar.gz"),
    st.sampled_from(["tool.whl", "tool-1.0.whl", "tool-1.0-py2.4.egg", "-", ""]),
)
PLACES = st.sampled_from(["https://files.example/a/", "../../files/", "/files/"])


def _as_json(files: list[tuple[str, str]]) -> bytes:
    return json.dumps(
        {"files": [{"filename": name, "url": place + name} for place, name in files]}
    ).encode()


def _as_html(files: list[tuple[str, str]]) -> bytes:
    links = (f'<a href="{html.escape(place + name)}">{name}</a>' for place, name in files)
    return "".join(links).encode()


def _is_of(offer: Offered, version: Version) -> bool:
    try:
        return parse_wheel_filename(offer.filename)[1] == version
    except InvalidWheelFilename:
        return False


@pytest.mark.parametrize("written", [_as_json, _as_html])
@given(files=st.lists(st.tuples(PLACES, NAMES), max_size=12), wanted=st.sampled_from(SPELLED[:-1]))
def test_one_versions_wheels_are_all_that_a_page_has_of_it(
    written: object, files: list[tuple[str, str]], wanted: str
) -> None:
    assert callable(written)
    page, version = written(files), Version(wanted)

    expected = [offer for offer in offered(page, PAGE) if _is_of(offer, version)]

    assert expected == [offer for offer in offered(page, PAGE, version) if _is_of(offer, version)]
    assert not [o for o in offered(page, PAGE, version) if not o.filename.endswith(".whl")]


def test_links_are_whole_addresses_wherever_they_point() -> None:
    files = [("https://files.example/a/", "x"), ("../../files/", "x"), ("/files/", "x")]

    found = [offer.address for offer in offered(_as_json(files), PAGE)]

    assert [
        "https://files.example/a/x",
        "https://index.example/files/x",
        "https://index.example/files/x",
    ] == found
