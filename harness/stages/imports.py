"""The clean room: every needed shared library is there, and every top-level module imports."""

from __future__ import annotations

from harness.core.errors import JobFailed
from harness.image import validate
from harness.image.model import Runnable
from harness.runtime import frame
from harness.stages.load import Bench, why
from harness.stages.stage import Problem, StageResult


def check(bench: Bench, runnable: Runnable, *, own: tuple[str, ...] = ()) -> StageResult:
    """Return whether the image can load all that it holds, and the model's *own* modules."""
    missing = validate.missing_libraries(runnable.root)
    modules = validate.modules(runnable.root, runnable.python)
    names = [*modules, *own]
    failures = _import(bench, runnable, names)
    problems = [
        Problem(
            promise="every shared library that is needed is in the image",
            lines=(("object", "/" + m.object), ("needs", m.library)),
        )
        for m in missing
    ]
    problems += [
        Problem(
            promise="every module imports",
            lines=(
                ("module", name),
                ("from", modules.get(name, "this model's own code")),
                ("error", f"{failure['type']}: {failure['message']}"),
            ),
        )
        for name, failure in sorted(failures.items())
    ]
    wrong = len(missing) + len(failures)
    return StageResult(
        stage="imports",
        passed=not wrong,
        summary=f"{len(names)} modules"
        if not wrong
        else f"{wrong} of {len(names)} modules and libraries missing or broken",
        problems=tuple(problems),
        details={"modules": names},
    )


def _import(bench: Bench, runnable: Runnable, names: list[str]) -> dict[str, dict[str, str]]:
    job = bench.job(runnable, "/opt/harness/probe.py", "frames", label="imports")
    with bench.engine.start(job) as running:
        try:
            frame.write(running.stdin, {"op": "imports", "modules": names})
            answer = frame.read(running.stdout)
        except (OSError, EOFError):
            answer = None
        if answer is None:
            raise JobFailed(
                f"importing every module was not finished: {why(running)}",
                hint="allow it more with --seconds or --memory; harness doctor looks at the engine",
            )
    failures: dict[str, dict[str, str]] = answer[0]["failures"]
    return failures
