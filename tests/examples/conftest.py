"""The two examples, each a copy that its tests may write in."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples_rows import Example

ROOT = Path(__file__).parents[2] / "examples"
TARGETS = {"flights": "late", "penguins": "species"}


@pytest.fixture(scope="session", params=sorted(TARGETS))
def example(request: pytest.FixtureRequest, copies: dict[str, Example]) -> Example:
    return copies[request.param]


@pytest.fixture(scope="session")
def flights(copies: dict[str, Example]) -> Example:
    return copies["flights"]


@pytest.fixture(scope="session")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Example]]:
    """Import both packages from copies, as Harness does: their folder on the import path."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, target in TARGETS.items():
            folder = tmp_path_factory.mktemp(name) / name
            shutil.copytree(ROOT / name, folder, ignore=shutil.ignore_patterns("data", ".*"))
            patch.syspath_prepend(str(folder))
            model = importlib.import_module(f"{name}.model")
            found[name] = Example(name=name, folder=folder, model=model, target=target)
        yield found
    for module in [m for m in sys.modules if m.partition(".")[0] in TARGETS]:
        del sys.modules[module]
