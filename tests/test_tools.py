"""Tests that run a real program: skipped without it on a laptop, failed in CI."""

from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
MARKED = """
import pytest

@pytest.mark.requires_tool("no-such-program-anywhere")
def test_marked(): assert False, "it ran"

def test_called(requires_tool):
    requires_tool("no-such-program-anywhere")
    assert False, "it ran"

@pytest.mark.requires_tool("sh")
def test_present(requires_tool): requires_tool("sh", "ls")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST.read_text())
    pytester.makepyfile(MARKED)
    return pytester


def test_a_missing_tool_skips_with_its_reason_on_a_laptop(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CI", raising=False)

    result = suite.runpytest_subprocess("-rs")

    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*needs no-such-program-anywhere*"])


def test_a_missing_tool_fails_in_ci(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CI", "true")

    result = suite.runpytest_subprocess()

    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*needs no-such-program-anywhere: CI must have what*"])
