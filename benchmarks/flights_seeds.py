"""Twenty equal challengers in a row, then a better one, all on one holdout of examples/flights.

The model itself is promoted over the baseline, then each of its seeds asks to replace it, and at
last `best` does. No seed may be promoted, `best` must be. Runs in a copy of the example with a
ledger of its own, so the example's own ledger and looks stay as they are. Not for CI: every row of
the table is a whole `harness promote`.

    python benchmarks/flights_seeds.py [--seeds 20] [--folder examples/flights]
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LEFT_OUT = (".harness", "artifact", "december.parquet", "__pycache__", ".*", "*.md")


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row of the table: what became of a challenger, and how long that took."""

    challenger: str
    code: int
    seconds: float
    body: dict[str, Any]

    @property
    def verdict(self) -> str:
        """PROMOTE, KEEP, UNDECIDED, or the kind of error that there was instead."""
        return str(self.body.get("verdict") or self.body.get("error") or f"exit {self.code}")

    @property
    def look(self) -> str:
        """The look that was spent; a challenger that was refused before spends none."""
        look = self.body.get("look") or {}
        return f"{look['number']} of {look['of']}" if look.get("spent") else "none"

    def __str__(self) -> str:
        why = self.body.get("why") or self.body.get("message") or ""
        return f"{self.challenger:8}  {self.verdict:9}  {self.look:8}  {self.seconds:6.1f} s  {why}"


def copy(folder: Path, into: Path) -> Path:
    """Copy the example *folder* below *into*, with the envs where it looks for them; return it."""
    target = into / "examples" / folder.name
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (into / "envs").symlink_to(ROOT / "envs")
    return target


def promote(folder: Path, challenger: str = "") -> Line:
    """Run ``harness promote`` and return what it said."""
    command = [sys.executable, "-c", "from harness.cli.main import main; main()", "promote"]
    if challenger:
        command += ["--challenger", challenger]
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--output", "json", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        body = json.loads(done.stdout)
    except ValueError:
        body = {"message": done.stdout.strip()[-200:]}
    return Line(
        challenger=challenger or "itself",
        code=done.returncode,
        seconds=time.monotonic() - began,
        body=body,
    )


def main() -> int:
    """Print the table; return 0 when nobody was promoted but those who should be.

    A run that ends without a verdict ends the table with its exit code.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, choices=range(1, 21), metavar="1-20")
    parser.add_argument("--folder", type=Path, default=ROOT / "examples" / "flights")
    chosen = parser.parse_args()
    if not (chosen.folder / "data" / "holdout.parquet").is_file():
        print(f"error: {chosen.folder} has no data yet", file=sys.stderr)
        print(f"hint: nox -s promote -- {chosen.folder} writes them first", file=sys.stderr)
        return 2
    challengers = ["", *(f"seed-{i + 1}" for i in range(chosen.seeds)), "best"]
    promoted = []
    print(f"{'':8}  {'verdict':9}  {'look':8}  {'took':>8}  why")
    with tempfile.TemporaryDirectory(prefix="harness-seeds-") as place:
        folder = copy(chosen.folder.resolve(), Path(place))
        for challenger in challengers:
            line = promote(folder, challenger)
            print(line, flush=True)
            if "verdict" not in line.body:
                return line.code or 1
            if line.verdict == "PROMOTE":
                promoted.append(line.challenger)
    print(f"promoted: {', '.join(promoted) or 'nobody'} of {len(challengers)}")
    return int(promoted != ["itself", "best"])


if __name__ == "__main__":
    raise SystemExit(main())
