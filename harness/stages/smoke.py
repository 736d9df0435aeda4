"""The environment's own smoke test: a script that shows in the image that what it is for works."""

from __future__ import annotations

from pathlib import Path

from harness.core.errors import SpecMissing
from harness.engine.engine import Mount
from harness.image.model import Runnable
from harness.stages.load import Bench, how, inside
from harness.stages.stage import Problem, StageResult


def check(bench: Bench, runnable: Runnable, script: Path) -> StageResult:
    """Return whether *script* ends well in the image, run by its interpreter without network.

    What it prints last is the summary. Raises SpecMissing when it isn't there.
    """
    if not script.is_file():
        raise SpecMissing(
            f"{script} is not there; environment.toml names it as smoke",
            hint="write the script, or take smoke out of environment.toml",
        )
    mount = Mount(source=script, target=inside(script), writable=False)
    job = bench.job(runnable, inside(script), mounts=(mount,), label="smoke")
    result, out = bench.engine.run(job)
    said = out.decode("utf-8", "replace").strip().splitlines()
    if result.ok:
        return StageResult(stage="smoke", passed=True, summary=said[-1] if said else "works")
    lines = (("script", script.name), ("failed", how(result)))
    return StageResult(
        stage="smoke",
        passed=False,
        summary=f"{script.name} FAILED",
        problems=(Problem(promise="the environment's smoke test ends well", lines=lines),),
    )
