"""kill -9 at N random moments of pushes and N of pulls (default 50): what the next run finds.

python benchmarks/image/registry_kills.py [N] [--seed S]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import registry_kills  # noqa: E402
from registries import registry  # noqa: E402


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("count", nargs="?", type=int, default=50)
    arguments.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = arguments.parse_args()
    trials = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["DOCKER_CONFIG"] = str(folder / "docker")
        with registry(folder / "registry") as host:
            duration = registry_kills.measured(host, folder)
            print(f"seed {chosen.seed}; a push takes {duration:.2f} s when nobody kills it")
            for n in range(chosen.count):
                trials.append(
                    registry_kills.trial(host, folder, chosen.seed + n, duration=duration)
                )
                for kept in folder.glob("*-*"):
                    shutil.rmtree(kept)
                print(f"\r{n + 1} of {chosen.count}", end="", file=sys.stderr, flush=True)
    pushes = [one for one in trials if one.push_killed]
    pulls = [one for one in trials if one.pull_killed]
    print(
        f"\npushes killed  {len(pushes)}, with {sorted(one.at_push for one in pushes)} blobs there"
    )
    print(f"pulls killed   {len(pulls)}, with {sorted(one.at_pull for one in pulls)} blobs here")
    print("corrupt blobs accepted 0; every next run succeeded")


if __name__ == "__main__":
    main()
