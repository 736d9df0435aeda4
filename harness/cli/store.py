"""``store``: what lies in this user's cache, whether it is whole, and what of it nobody uses."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli import bench
from harness.cli.output import emit, fails_well, output_option, progress, progress_done
from harness.core.errors import SpecMissing
from harness.world import clock, store_check, store_gc
from harness.world.store_check import Checked, Damage
from harness.world.store_gc import Garbage

FOLDERS = {
    "blobs": "blobs",
    "trees": "t",
    "records": "d",
    "partial": "partial",
    "scratch": "run",
    "resolver": "resolver",
}


@click.group()
def store() -> None:
    """Look at this user's store, check it, or remove what nobody uses."""


@store.command("show")
@output_option
@fails_well
def show(output: str) -> None:
    """Say where the store is and what it takes."""
    opened = bench.store()
    parts = {}
    for name, folder in FOLDERS.items():
        place = opened.root / folder
        count = (
            len(os.listdir(place / "sha256" if name == "blobs" else place))
            if (place.is_dir() and (name != "blobs" or (place / "sha256").is_dir()))
            else 0
        )
        parts[name] = {"count": count, "bytes": _size(place)}
    free = shutil.disk_usage(opened.root).free
    body = {
        "schema": "harness.store/1",
        "path": str(opened.root),
        "parts": parts,
        "free": free,
    }
    lines = [f"store        {opened.root}"]
    lines += [f"{n:<12} {p['count']:>6}  {p['bytes'] / 1e6:>10.1f} MB" for n, p in parts.items()]
    emit(body, "\n".join([*lines, f"{'free':<12} {'':>6}  {free / 1e6:>10.1f} MB"]), output)


def _size(place: Path) -> int:
    return store_gc.sizes([place])[0] if place.is_dir() else 0


@store.command("check")
@click.option("--repair", is_flag=True, help="Remove what is damaged; it is made or fetched again.")
@output_option
@fails_well
def check(repair: bool, output: str) -> None:
    """Read everything in the store against its digest; exit 1 if anything is damaged."""
    opened = bench.store()
    done = store_check.check(opened, repair=lambda _: repair, progress=progress)
    progress_done()
    body = {"schema": "harness.store-check/1", "path": str(opened.root), **asdict(done)}
    emit(body, _checked(done), output)
    sys.exit(1 if done.damages else 0)


def _checked(done: Checked) -> str:
    lines = [
        f"{done.blobs} blobs, {done.trees} trees and {done.records} records read "
        f"({done.bytes / 1e6:.0f} MB): "
        + (f"{len(done.damages)} damaged" if done.damages else "all whole")
    ]
    if done.sealed:
        lines.append(f"{done.sealed} trees of an earlier version sealed as they are now")
    for damage in done.damages:
        lines += ["", *_damage(damage)]
    if done.damages and not all(damage.removed for damage in done.damages):
        lines += ["", "remove them: harness store check --repair"]
    return "\n".join(lines)


def _damage(damage: Damage) -> list[str]:
    where = damage.path + (f" · {damage.file}" if damage.file else "")
    at = "" if damage.offset is None else f", first at byte {damage.offset}"
    return [
        f"{damage.kind:<8} {where}",
        f"  what   {damage.what}{at}",
        f"  cause  {damage.cause}",
        f"  {'removed; ' if damage.removed else 'mend   '}{damage.remedy}",
    ]


@store.command("gc")
@click.option(
    "--older-than",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="DAYS",
    help="Remove what no command has used for so long.",
)
@click.option("--blobs", is_flag=True, help="Wheels, Debian packages and indices too.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    multiple=True,
    help="With --blobs: a lock, or a folder of environments, whose files stay.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@output_option
@fails_well
def gc(older_than: float, blobs: bool, keep: tuple[Path, ...], dry_run: bool, output: str) -> None:
    """Remove trees, images and layers that nobody has used for a while; blobs on request."""
    opened = bench.store()
    gone = store_gc.collect(
        opened,
        now=int(clock.now().timestamp() * 1e9),
        days=older_than,
        blobs=blobs,
        keep=_named(keep),
        dry_run=dry_run,
    )
    body = {
        "schema": "harness.store-gc/1",
        "path": str(opened.root),
        "dry_run": dry_run,
        "freed": sum(one.bytes for one in gone),
        "removed": [asdict(one) for one in gone],
    }
    emit(body, _collected(gone, dry_run=dry_run), output)


def _named(paths: Iterable[Path]) -> frozenset[str]:
    """Return every sha256 that locks at or below *paths* name."""
    found: set[str] = set()
    for path in paths:
        if not path.exists():
            raise SpecMissing(f"there is no {path} to keep", hint="name a lock or a folder")
        for lock in [path] if path.is_file() else sorted(path.rglob("*.toml")):
            found |= set(re.findall(r"\b[0-9a-f]{64}\b", lock.read_text(errors="replace")))
    return frozenset(found)


def _collected(gone: tuple[Garbage, ...], *, dry_run: bool) -> str:
    lines = []
    for kind in ("tree", "record", "blob", "partial"):
        of_kind = [one for one in gone if one.kind == kind]
        size = sum(one.bytes for one in of_kind) / 1e6
        lines.append(f"{kind + 's':<12} {len(of_kind):>6}  {size:>10.1f} MB")
    would = "would be freed" if dry_run else "freed"
    total = sum(one.bytes for one in gone) / 1e6
    return "\n".join([f"{total:.1f} MB {would}", *lines])
