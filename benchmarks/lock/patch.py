"""One advisory patched in every environment of ``envs/`` and in five customized children.

Copies ``envs/`` into a temporary folder, adds the children, locks all of them with an older release
of a package that they share, plants an advisory against it, and runs ``harness patch ADVISORY
--all`` once. Prints the seconds of that one command and what moved; fails when anything else did.

    python benchmarks/lock/patch.py [--package click] [--resolver uv]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHILDREN = (["rich"], ["pydantic"], ["tabulate", "pyyaml"], ["openpyxl"], ["jinja2", "markdown"])


def harness(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in *folder*."""
    code = "from harness.cli.main import main; main()"
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"harness {' '.join(arguments)}: {done.returncode}\n{done.stderr}")
    return done


def locked(file: Path) -> dict[str, str]:
    """Return every package of a lock, Debian's with their versions too."""
    document = tomllib.loads(file.read_text())
    found = {one["name"]: one["version"] for one in document["packages"]}
    for table in document["tool"]["harness"]["debian"].values():
        found |= {f"{one['name']} (deb)": one["version"] for one in table["debs"]}
    return found


def copy(target: Path, resolver: str) -> list[str]:
    """Copy the curated environments, add the children, and return their names, parents first."""
    names = []
    for source in sorted(ROOT.glob("envs/*/environment.toml")):
        folder = target / source.parent.name
        shutil.copytree(
            source.parent,
            folder,
            ignore=shutil.ignore_patterns("wheels", "sdists", "releases.toml"),
        )
        text = source.read_text()
        if resolver:
            text = f'resolver = "{resolver}"\n' + re.sub(r"(?m)^resolver = .*\n", "", text)
        (folder / "environment.toml").write_text(text)
        names.append(folder.name)
    curated = tuple(names)
    for place, added in enumerate(CHILDREN):
        above = curated[place % len(curated)]
        version = tomllib.loads((target / above / "environment.toml").read_text())["version"]
        name = f"{above}-child-{place + 1}"
        lines = [
            "# A customized environment.",
            f'name = "{name}"',
            "version = 1  # the first",
            f'from = "{above}:{version}"  # curated',
            f"add = {json.dumps(added)}",
        ]
        if resolver:
            lines.append(f'resolver = "{resolver}"')
        (target / name).mkdir()
        (target / name / "environment.toml").write_text("\n".join(lines) + "\n")
        names.append(name)
    return names


def advisory(package: str, fixed: str) -> Mapping[str, object]:
    """Return a made-up advisory: all versions before *fixed* are affected."""
    return {
        "schema_version": "1.6.0",
        "id": "PYSEC-2099-1",
        "aliases": ["CVE-2099-0001"],
        "modified": "2026-11-30T00:00:00Z",
        "summary": "planted by the benchmark",
        "affected": [
            {
                "package": {"ecosystem": "PyPI", "name": package},
                "ranges": [
                    {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}
                ],
            }
        ],
    }


def main() -> None:
    """Print the figures; exit 1 when more moved than the package."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--package", default="click")
    asked.add_argument("--resolver", default="", choices=["", "uv", "pip-tools"])
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        envs = folder / "envs"
        names = copy(envs, options.resolver)
        newest = {}
        for one in names:  # an older release: what the newest was before the flaw was known
            if "-child-" not in one:
                text = (envs / one / "environment.toml").read_text()
                harness(folder, "lock", one)
                version = tomllib.loads(text)["version"]
                newest[one] = locked(envs / one / f"pylock.{version}.toml")[options.package]
        fixed = max(newest.values())
        for one in names:
            older = () if "-child-" in one else ("--upgrade-package", f"{options.package}<{fixed}")
            harness(folder, "lock", one, *older)
        before = {path: locked(path) for path in envs.glob("*/pylock.*.toml")}
        snapshot = folder / "osv.json"
        snapshot.write_text(json.dumps(advisory(options.package, fixed)))

        begin = time.perf_counter()
        done = harness(
            folder, "patch", "CVE-2099-0001", "--all", "--advisories", str(snapshot),
            "--output", "json",
        )  # fmt: skip
        seconds = time.perf_counter() - begin

        body = json.loads(done.stdout)
        after = {p: locked(p) for p in envs.glob("*/pylock.*.toml") if p not in before}
        wrong = []
        for path, pins in after.items():
            was = next(old for place, old in before.items() if place.parent == path.parent)
            moved = {n for n in {*was, *pins} if was.get(n) != pins.get(n)}
            if moved != {options.package}:
                wrong.append(f"{path.parent.name}: {sorted(moved)}")
        stale = [one for one in names if harness(folder, "lock", one, "--check").returncode]
        print(f"environments       {len(names)}, of which customized {len(CHILDREN)}")
        print(f"patched            {len(body['patched'])}: {options.package} to {fixed}")
        print(f"moved besides      {'; '.join(wrong) or 'nothing'}")
        print(f"changed by a lock  {', '.join(stale) or 'none'}")
        print(f"seconds            {seconds:.1f}")
        if wrong or len(body["patched"]) != len(names):
            raise SystemExit(1)


if __name__ == "__main__":
    main()
