"""A model's own layers made again: the runtime is ours, the settings are in the recipe, the code
comes from its commit; what can't be made again here is held against its digests."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.content.tree import inner, native
from harness.core.digest import of_bytes
from harness.core.errors import ToolMissing
from harness.image import model
from harness.image.comparison import Place
from harness.image.recipe import File, Recipe, files_below
from harness.image.shipped import Shipped, spooled
from harness.world import git
from harness.world.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Again:
    """The layers' *trees*; which of them were only *held* against digests; the first file that is
    an*other* one than the recipe names."""

    trees: Mapping[str, str]
    held: frozenset[str] = frozenset()
    other: Place | None = None
    notes: tuple[str, ...] = ()


NONE = Again(trees={})
"""What an environment has of a model."""


def again(recipe: Recipe, shipped: Shipped, store: Store, scratch: Path, repository: Path) -> Again:
    """Return the layers of *recipe*'s model, made into *store*; files that can't be made again are
    taken from *shipped*. *scratch* is an empty folder for files, *repository* a checkout in which
    the commit may be found."""
    trees = {
        "runtime": model.runtime_tree(store),
        "settings": model.settings_tree(recipe.settings or {}, store),
    }
    notes = [
        "artifact: training is not repeated; its files are held against the provenance's digests"
    ]
    held, other = {"artifact"}, None
    for layer, files in (("code", recipe.code), ("artifact", recipe.artifact)):
        folder = scratch / layer
        folder.mkdir()
        if layer == "code":
            missing = _checked_out(recipe, folder, repository)
            if missing:
                notes.append(f"code: {missing}; its files are held against the digests")
                held.add("code")
        if layer in held:
            _taken(shipped, layer, folder)
            other = other or _first_other(layer, files, files_below(folder))
        trees[layer] = model.tree(layer, model.below(folder), store)
    return Again(trees=trees, held=frozenset(held), other=other, notes=tuple(notes))


def _checked_out(recipe: Recipe, folder: Path, repository: Path) -> str:
    """Write the code of the recipe's commit into *folder*; return why not, where it can't."""
    source = recipe.source
    if source is None:
        return "the provenance names no commit"
    commit = source.commit.rstrip("+")  # what was changed there may be no code: each file is held
    try:
        if git.top(repository) is None or git.commit(commit, repository) is None:
            return f"commit {commit[:12]} is not in {repository} (--source FOLDER)"
    except ToolMissing:
        return "git is not installed"
    for file in recipe.code:
        path = f"{source.folder}/{file.path}" if source.folder else file.path
        data = git.read(commit, native(path), repository)
        if data is None or of_bytes(data) != file.digest:
            _clear(folder)
            return f"{path} of commit {commit[:12]} is not the file that was built"
        _write(folder, file.path, [data], executable=file.executable)
    return ""


def _taken(shipped: Shipped, layer: str, folder: Path) -> None:
    """Write the files of one of *shipped*'s layers into *folder*."""
    if layer not in shipped.titles:
        return
    home = model.HOMES[layer] + "/"
    with (
        suppress(tarfile.TarError),  # then its files are missing, and the comparison says why
        spooled(shipped.tar(shipped.titles.index(layer))) as file,
        tarfile.open(fileobj=file, mode="r:", encoding="utf-8") as tar,
    ):
        for member in tar:
            if not member.isreg() or member.issparse() or not member.name.startswith(home):
                continue  # no layer of ours has a sparse file: few bytes that unpack to many
            content = tar.extractfile(member)
            assert content is not None
            name = inner(member.name.removeprefix(home), f"layer {layer}")
            with suppress(FileExistsError, NotADirectoryError):  # twice: that shows in the bytes
                _write(folder, name, _chunks(content), executable=bool(member.mode & 0o100))


def _first_other(layer: str, wanted: tuple[File, ...], there: tuple[File, ...]) -> Place | None:
    one, other = ({file.path: file for file in files} for files in (there, wanted))
    for path in sorted({*one, *other}, key=str.encode):
        if one.get(path) != other.get(path):
            return Place(
                layer=layer,
                path=f"{model.HOMES[layer]}/{path}",
                offset=None,
                cause="edited",
                explanation="the file is not the one that the provenance names",
                before=_told(one, path),
                after=_told(other, path),
            )
    return None


def _told(files: Mapping[str, File], path: str) -> str:
    if path not in files:
        return "absent"
    return files[path].digest + (" executable" if files[path].executable else "")


def _write(folder: Path, name: str, chunks: Iterable[bytes], *, executable: bool) -> None:
    path = folder / native(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        for chunk in chunks:
            file.write(chunk)
    os.chmod(path, 0o755 if executable else 0o644)


def _clear(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    yield from iter(lambda: file.read(1 << 20), b"")
