"""Which modules open libraries by themselves, and which packages show nothing by their import."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.image import installed, loaders

SITE = "usr/local/lib/python3.11/dist-packages"


def placed(root: Path, files: dict[str, str]) -> None:
    info = root / SITE / "thing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file, text in files.items():
        path = root / SITE / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_modules_below_the_top_that_open_libraries_are_found_but_not_their_tests(
    tmp_path: Path,
) -> None:
    placed(
        tmp_path,
        {
            "thing/__init__.py": "ctypes.CDLL('liba.so')",
            "thing/api.py": "lib = ffi.dlopen('liba.so')",
            "thing/sub/__init__.py": "find_library ('a')",
            "thing/plain.py": "find_library = None",
            "thing/tests/test_api.py": "CDLL('liba.so')",
            "thing/not-a-module.py": "CDLL('liba.so')",
            "thing/data.txt": "CDLL('liba.so')",
        },
    )

    assert ("thing.api", "thing.sub") == loaders.inner(installed.distributions(tmp_path, "3.11"))


def test_a_file_that_record_lists_and_nobody_has_is_passed_over(tmp_path: Path) -> None:
    placed(tmp_path, {"thing/api.py": "CDLL('liba.so')"})
    (tmp_path / SITE / "thing/api.py").unlink()

    assert () == loaders.inner(installed.distributions(tmp_path, "3.11"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"""A package."""\n__version__ = "1"\n', True),
        ("", True),
        ("from .version import VERSION\n", True),
        ("from . import _version\nimport importlib.metadata\n", True),
        ("from thing.__about__ import *\n", True),
        ("from thing.api import *\n", False),
        ("from . import api\n", False),
        ("import ctypes\n", False),
        ("def late():\n    import thing.api\n", False),
        ("this is no Python", False),
    ],
)
def test_a_package_that_imports_nothing_but_its_version_is_hollow(
    tmp_path: Path, text: str, expected: bool
) -> None:
    placed(tmp_path, {"thing/__init__.py": text, "alone.py": ""})

    assert expected == loaders.hollow(tmp_path / SITE, "thing")
    assert not loaders.hollow(tmp_path / SITE, "alone")
