"""The order of Debian versions, against the standard's words and against dpkg."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.lock.deb_version import key, satisfies

UPSTREAM = st.from_regex(r"[0-9][0-9A-Za-z.+~]{0,6}", fullmatch=True)
REVISION = st.from_regex(r"[0-9A-Za-z.+~]{1,4}", fullmatch=True)
VERSIONS = st.builds(
    lambda epoch, upstream, revision: f"{epoch}{upstream}{revision}",
    st.sampled_from(["", "", "0:", "1:", "2:"]),
    UPSTREAM,
    st.one_of(st.just(""), REVISION.map(lambda text: f"-{text}")),
)


@pytest.mark.parametrize(
    ("lower", "higher"),
    [
        ("1.0~beta1~svn1245", "1.0~beta1"),
        ("1.0~beta1", "1.0"),
        ("1.9", "1.10"),
        ("1.0", "1.0-1"),
        ("1.0-1", "1.0-1+b1"),
        ("9.9", "1:0.1"),
        ("2.5.0-1+deb12u2", "2.5.0-1+deb12u10"),
        ("1.0a", "1.0+"),
        ("1", "1.0"),
        ("3.0.20-1~deb12u2", "3.0.20-1"),
    ],
)
def test_the_standards_order_holds(lower: str, higher: str) -> None:
    assert key(lower) < key(higher)


@pytest.mark.parametrize(
    ("one", "other"), [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.00", "1.0"), ("1a0", "1a")]
)
def test_an_absent_part_is_equivalent_to_zero(one: str, other: str) -> None:
    """The absence of a debian_revision is equivalent to a debian_revision of 0."""
    assert key(one) == key(other)


@given(VERSIONS)
def test_a_tilde_sorts_before_the_end(version: str) -> None:
    """A tilde sorts before anything, even the end of a part."""
    assert key(f"{version}~") < key(version)


@given(VERSIONS, VERSIONS)
def test_exactly_one_strict_relation_or_equality_holds(one: str, other: str) -> None:
    held = [satisfies(one, relation, other) for relation in ("<<", "=", ">>")]

    assert held.count(True) == 1
    assert satisfies(one, "<=", other) == (held[0] or held[1])
    assert satisfies(one, ">=", other) == (held[2] or held[1])


@settings(max_examples=250, deadline=None)
@given(VERSIONS, VERSIONS)
def test_dpkg_agrees(one: str, other: str) -> None:
    if shutil.which("dpkg") is None:
        assert "CI" not in os.environ, "CI must have dpkg"
        pytest.skip("no dpkg here to compare with")

    answer = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False)

    assert (key(one) < key(other)) == (answer.returncode == 0)
