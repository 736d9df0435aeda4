"""Environments built from nothing in many surroundings: is each of them one image?

User, umask, time zone, locale, hash seed, clock, working directory, the order in which folders
list their names, the file system, the number of workers, and the builder's own Python with its
zlib differ, each alone and all together. Each surroundings has an empty store of its own, in
which all environments are built, in another order. Compared: every layer's diff_id, the config's
digest and the manifest's digest.

    python benchmarks/image/surroundings.py [--only NAME]… [--python EXE]… [--output json]

The locks are made first, from the sources of this machine.
The clock needs libfaketime (Debian: faketime), another user needs root and setpriv. Ends with 1
when two images differ, and names the layers.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from harness.lock import pylock  # noqa: E402  # a benchmark runs where nothing is installed
from harness.world.store import Store  # noqa: E402

BUILDER = Path(__file__).with_name("built_in.py")
SPECS = Path(__file__).with_name("environments.json")
NOBODY = 65534
FAKETIME = "usr/lib/*/faketime/libfaketime.so.1"
COMMAND = "from harness.cli.main import main; main()"
CURATED = ("python", "onnx", "tabular")

Images = dict[str, dict[str, str]]
"""By environment: its config, its manifest and each of its layers, with their digests."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where images are built; *clock* is faketime's word for the moment."""

    name: str
    umask: int = 0o022
    workers: int = 2
    order: str = "sorted"
    clock: str = ""
    deep: bool = False
    memory: bool = False
    user: int | None = None
    python: str = sys.executable
    variables: Mapping[str, str] = field(default_factory=dict)


PLAIN = Surroundings(name="plain", variables={"PYTHONHASHSEED": "0", "TZ": "UTC"})


def surroundings(pythons: Sequence[str] = ()) -> Iterator[Surroundings]:
    """Yield plain surroundings, then one for each thing that may differ, then all of them."""
    seed, zone = {"PYTHONHASHSEED": "4711"}, {"TZ": "Pacific/Chatham"}
    ascii_names = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    another = NOBODY if os.geteuid() == 0 and shutil.which("setpriv") else None
    yield PLAIN
    yield replace(PLAIN, name="umask, time zone", umask=0o077, variables=zone)
    yield replace(PLAIN, name="locale", variables=ascii_names)
    yield replace(PLAIN, name="hash seed", variables=seed)
    yield replace(PLAIN, name="clock", clock="2031-05-06 07:08:09")
    yield replace(PLAIN, name="order of names", variables={"HARNESS_SHUFFLE": "1"})
    yield replace(PLAIN, name="workers", workers=1, order="backwards")
    yield replace(PLAIN, name="file system, folder", deep=True, memory=True)
    if another:
        yield replace(PLAIN, name="user", user=another)
    for python in pythons:
        yield replace(PLAIN, name=f"built by {Path(python).name}", python=python)
    yield Surroundings(
        name="all at once",
        umask=0o077,
        workers=3,
        order="backwards",
        clock="1999-12-31 23:59:58",
        deep=True,
        memory=True,
        user=another,
        python=pythons[-1] if pythons else sys.executable,
        variables=seed | {"TZ": "America/St_Johns", "HARNESS_SHUFFLE": "1"} | ascii_names,
    )


def images(
    one: Surroundings,
    locks: Sequence[Path],
    blobs: Path,
    *,
    ready: Sequence[Path] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Images:
    """Return what *locks* become in these surroundings, in a store that has *blobs* and no more.

    *ready* are trees that the builder finds unpacked, *variables* are told to it besides.
    """
    place = "/dev/shm" if one.memory and os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place, prefix="harness-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        store = folder / ("deep/" * 20 if one.deep else ".") / "store"
        for source in (*sorted(named(locks, blobs)), *ready):
            link(source, store / source.relative_to(blobs))
        command = [*through(one, folder), *clocked(one), one.python, str(BUILDER)]
        done = subprocess.run(
            [*command, str(store), str(one.workers), one.order, *map(str, locks)],
            cwd=store.parent,
            umask=one.umask,
            env={**environment(one, folder), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{one.name}: {done.stderr}")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    return {
        x["environment"]: {"config": x["config"], "manifest": x["manifest"], **x["diff_ids"]}
        for x in said
    }


def named(locks: Sequence[Path], blobs: Path) -> set[Path]:
    """Return where the files that *locks* name are, or would be."""
    read = [pylock.loads(path.read_text(encoding="utf-8")) for path in locks]
    return {Store(blobs).path(x.digest) for lock in read for x in (*lock.packages, *lock.debs)}


def differences(one: Images, other: Images) -> list[str]:
    """Return what is not the same in both, as ``environment: part``."""
    return [
        f"{name}: {part}"
        for name in sorted({*one, *other})
        for part in sorted({*one.get(name, {}), *other.get(name, {})})
        if one.get(name, {}).get(part) != other.get(name, {}).get(part)
    ]


def link(source: Path, target: Path) -> None:
    """Make *target* what *source* is, without a copy where one file system holds both."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def through(one: Surroundings, folder: Path) -> list[str]:
    """Return the command that makes another user of ours, and give that one *folder*."""
    if one.user is None:
        return []
    for place in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        os.chown(place, one.user, one.user)
    caps = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=+dac_read_search")
    return ["setpriv", "--reuid", str(one.user), "--regid", str(one.user), "--clear-groups", *caps]


def environment(one: Surroundings, folder: Path) -> dict[str, str]:
    """Return the variables of the builder: no user's home, and our code from here."""
    import packaging

    beside = folder / "library"
    if not beside.exists():  # what any Python can import: a compiled package is of one version
        beside.mkdir()
        (beside / "packaging").symlink_to(Path(packaging.__file__).parent)
    told = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    told |= {"PYTHONPATH": f"{ROOT}:{beside}", "LC_ALL": "C.UTF-8", **one.variables}
    return told


def clocked(one: Surroundings) -> list[str]:
    """Return the command that sets the clock of ours: after another user is made of us, since
    libfaketime shares a semaphore."""
    if not one.clock:
        return []
    (library,) = Path("/").glob(FAKETIME)
    return [
        "env",
        f"LD_PRELOAD={library}",
        f"FAKETIME=@{one.clock}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
    ]


def locked(work: Path, only: Sequence[str]) -> dict[str, Path]:
    """Lock the environments of ``environments.json`` below *work*, fetch all, return the locks."""
    envs, cache = work / "envs", work / "cache"
    specs: dict[str, str] = json.loads(SPECS.read_text(encoding="utf-8"))
    for name in CURATED:
        shutil.copytree(ROOT / "envs" / name, envs / name, dirs_exist_ok=True)
    for name, text in specs.items():
        (envs / name).mkdir(parents=True, exist_ok=True)
        (envs / name / "environment.toml").write_text(f'name = "{name}"\nversion = 1\n{text}')
    found = {}
    variables = {**os.environ, "HARNESS_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    for name in only or (*CURATED, *specs):
        path = envs / name / "pylock.1.toml"
        for verb in ("lock", "fetch"):
            if path.exists() and (verb == "lock" or all(p.exists() for p in named([path], cache))):
                continue
            command = [sys.executable, "-c", COMMAND, verb, name, "--envs", str(envs)]
            done = subprocess.run(
                command, cwd=work, env=variables, capture_output=True, text=True, check=False
            )
            if done.returncode:
                sys.exit(f"{verb} {name}: {done.stderr}")
        found[name] = path
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", default=[], metavar="ENVIRONMENT")
    parser.add_argument("--where", action="append", default=[], metavar="SURROUNDINGS")
    parser.add_argument("--python", action="append", default=[], metavar="EXE")
    parser.add_argument("--unpacked", action="store_true", help="faster: compare no manifests")
    parser.add_argument("--work", type=Path, help="keeps locks and files for the next run")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        work.mkdir(parents=True, exist_ok=True)
        locks = list(locked(work.absolute(), asked.only).values())
        told = {"HARNESS_UNPACKED": "1"} if asked.unpacked else {}
        runs = []
        plain: Images | None = None
        for number, one in enumerate(surroundings(asked.python)):
            if asked.where and one.name not in {"plain", *asked.where}:
                continue
            start = time.monotonic()
            turned = locks[number % len(locks) :] + locks[: number % len(locks)]
            made = images(one, turned, work.absolute() / "cache", variables=told)
            plain = plain or made
            runs.append((one.name, made, differences(plain, made), time.monotonic() - start))
            if asked.output == "text":
                verdict = "; ".join(runs[-1][2]) or f"{len(made)} images, each the same"
                print(f"{one.name:<22} {runs[-1][3]:6.1f} s  {verdict}", flush=True)
    same = not any(different for _, _, different, _ in runs)
    if asked.output == "json":
        body = {
            "schema": "harness.benchmark.image-surroundings/1",
            "same": same,
            "images": plain,
            "runs": [{"name": n, "differ": d, "seconds": round(s, 1)} for n, _, d, s in runs],
        }
        print(json.dumps(body, indent=2))
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
