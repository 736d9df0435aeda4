"""Files of a model's layers, as a stranger's provenance and a stranger's image name them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_images import Made

from harness.core import canonical
from harness.core.digest import of_bytes
from harness.core.errors import EvidenceInvalid
from harness.flows import model_layers
from harness.image import provenance
from harness.image.recipe import File, Source
from harness.image.shipped import Shipped

TAKE = """
import sys
from pathlib import Path
from harness.flows import model_layers
from harness.image.shipped import Shipped
there = Shipped(
    name="x", config=b"", manifest=None, titles=("artifact",), diff_ids=(),
    tar=lambda _: iter((sys.stdin.buffer.read(),)),
)
model_layers._taken(there, "artifact", Path(sys.argv[1]))
"""


def tarred(*members: tuple[str, bytes], pax: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(data), pax or {}
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def taken(tar: bytes, folder: Path) -> None:
    there = Shipped(
        name="x",
        config=b"",
        manifest=None,
        titles=("artifact",),
        diff_ids=(),
        tar=lambda _: iter((tar,)),
    )
    model_layers._taken(there, "artifact", folder)


def body(made: Made, *paths: str, source: Source | None = None) -> Any:
    """Return a provenance that lists *paths* as a model's code."""
    code = tuple(File(path=path, digest=of_bytes(b"x")) for path in paths)
    recipe = replace(made.recipe, model="m", settings={}, code=code, source=source)
    return json.loads(canonical.dumps(provenance.provenance(made.packed, recipe)))


@pytest.mark.parametrize(
    "paths", [["../evil"], ["/evil"], ["a/../../evil"], ["a\nb"], [""], ["."], ["a", "a"]]
)
def test_a_path_that_leads_elsewhere_or_is_there_twice_is_refused(
    bare: Made, paths: list[str]
) -> None:
    with pytest.raises(EvidenceInvalid):
        provenance.recipe(body(bare, *paths))


@pytest.mark.parametrize(
    ("commit", "folder"),
    [("HEAD", ""), ("--help", ""), ("a" * 40 + ":x", ""), ("a" * 40, "../x"), ("a\0" * 20, "")],
)
def test_what_is_no_commit_or_no_folder_in_it_is_refused(
    bare: Made, commit: str, folder: str
) -> None:
    with pytest.raises(EvidenceInvalid):
        provenance.recipe(body(bare, "a", source=Source(commit=commit, folder=folder)))


def test_a_sparse_file_is_not_unpacked(tmp_path: Path) -> None:
    """A few bytes that unpack to gigabytes (GNU tar, "PAX Format, Version 1.0")."""
    pax = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "artifact/big",
        "GNU.sparse.realsize": str(1 << 24),
    }
    taken(tarred(("artifact/x", b"1\n0\n0\n".ljust(512, b"\0")), pax=pax), tmp_path)

    assert [] == list(tmp_path.iterdir())


def test_a_file_that_is_there_twice_or_below_a_file_is_no_traceback(tmp_path: Path) -> None:
    names = ("artifact/a", "artifact/a", "artifact/a/b")

    taken(tarred(*((name, name.encode()) for name in names)), tmp_path)

    assert b"artifact/a" == (tmp_path / "a").read_bytes()


def test_names_are_the_same_on_disk_in_any_locale(tmp_path: Path) -> None:
    env = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}

    subprocess.run(
        [sys.executable, "-c", TAKE, tmp_path],
        input=tarred(("artifact/größe.bin", b"1")),
        env=env,
        check=True,
    )

    assert ["größe.bin".encode()] == os.listdir(os.fsencode(tmp_path))
