"""Addresses of images: what is written is what is asked for, and nothing is implied."""

from __future__ import annotations

import pytest

from harness.core.errors import SpecInvalid
from harness.image.reference import is_layout, is_registry, layout, parse

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.example/app", ("registry.example", "app", "latest", None)),
        ("registry.example:5000/team/app:1", ("registry.example:5000", "team/app", "1", None)),
        ("oci://localhost/a/b:v1.0", ("localhost", "a/b", "v1.0", None)),
        ("docker://[::1]:5000/a:1", ("[::1]:5000", "a", "1", None)),
        ("registry:5000/a", ("registry:5000", "a", "latest", None)),
        (f"r.example/a@{DIGEST}", ("r.example", "a", "", DIGEST)),
        (f"r.example/a:1@{DIGEST}", ("r.example", "a", "1", DIGEST)),
        ("r.example/library/x__y", ("r.example", "library/x__y", "latest", None)),
    ],
)
def test_an_address_is_taken_apart(text: str, expected: tuple[str, str, str, str | None]) -> None:
    found = parse(text)

    assert expected == (found.host, found.repository, found.tag, found.digest)
    again = parse(str(found))
    assert (again.place, again.name) == (found.place, found.name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("app", "does not begin with the host"),
        ("team/app:1", "does not begin with the host"),
        ("", "does not begin with the host"),
        ("r.example/", "no name of a repository"),
        ("r.example/Team/app", "no name of a repository"),
        ("r.example/a//b", "no name of a repository"),
        ("r.example/../etc", "no name of a repository"),
        ("r.example/a:", "no tag"),
        ("r.example/a:-1", "no tag"),
        ("r.example/a:" + "x" * 129, "no tag"),
        ("r.example/a@sha256:12", "no digest"),
        ("r.example/a@sha512:" + "0" * 128, "no digest"),
        ("https://r.example/a", "does not begin with the host"),
    ],
)
def test_what_is_no_address_is_refused_with_its_part(text: str, told: str) -> None:
    with pytest.raises(SpecInvalid, match=told):
        parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("oci:folder", ("folder", "")),
        ("oci:folder:1", ("folder", "1")),
        ("oci:/a/b:c/d", ("/a/b:c/d", "")),
        ("oci-archive:../a.tar:v1.0", ("../a.tar", "v1.0")),
    ],
)
def test_a_layout_has_a_path_and_perhaps_a_tag(text: str, expected: tuple[str, str]) -> None:
    path, tag = layout(text)

    assert is_layout(text) and not is_registry(text)
    assert expected == (str(path), tag)


def test_a_registry_is_no_layout() -> None:
    for text in ("oci://r.example/a", "docker://r.example/a"):
        assert is_registry(text) and not is_layout(text)
    assert not is_layout("r.example/a") and not is_registry("r.example/a")
