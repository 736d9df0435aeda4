"""What all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import NoReturn

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# Shared machines stall: a slow example is no failure. CI draws the same examples every time.
settings.register_profile("harness", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("harness")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "requires_tool(*names): programs that the test runs for real; without one it is skipped, "
        "and in CI it fails",
    )
    config.addinivalue_line("markers", "network: asks the machine's own package sources")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires_tool"):
        _require(*marker.args)


@pytest.fixture(scope="session")
def requires_tool() -> Callable[..., None]:
    """The marker's work as a call, for a program that only some cases of a test need."""
    return _require


@pytest.fixture(scope="session")
def unavailable() -> Callable[[str], NoReturn]:
    """Ends a test for want of what it needs: skipped on a laptop, failed in CI."""
    return _unavailable


@pytest.fixture(scope="session")
def with_plugin() -> tuple[str, ...]:
    """Arguments that make a pytest below this one load our plugin, exactly once.

    An installed Harness is loaded by its entry point; pytest refuses one module by two names.
    """
    installed = any(point.name == "harness" for point in entry_points(group="pytest11"))
    return () if installed else ("-p", "harness.contract.plugin")


def _require(*names: str) -> None:
    where = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    missing = [name for name in names if shutil.which(name, path=where) is None]
    if not missing:
        return
    _unavailable(f"needs {', '.join(missing)}")


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}: CI must have what its tests need", pytrace=False)
    pytest.skip(reason)
