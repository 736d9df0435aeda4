"""A few hundred rows through the shipped image: it learns, it beats the baseline, the same seed
gives the same bytes, and what was saved answers the same when it is loaded again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.contract.batch import Batch
from harness.contract.claims import Claims
from harness.core.errors import JobFailed, TrainingFailed
from harness.engine.engine import Mount
from harness.image import model
from harness.image.build import Built
from harness.stages.load import Bench, answers, inside
from harness.stages.stage import Problem, StageResult
from harness.stages.train import trained
from harness.world.store import Store

ROWS = 500
Loss = Callable[[NDArray[Any]], float]


def check(
    bench: Bench,
    environment: Built,
    trees: dict[str, str],
    data: Path,
    *,
    seed: int,
    rows: Batch,
    claims: Claims,
    loss: Loss,
    baseline: float,
    store: Store,
) -> StageResult:
    """Return whether the declared training works on *ROWS* rows of *data*.

    *rows* are features that training did not see; *loss* maps the answers for them to the mean
    loss, which must be below *baseline*'s.
    """
    untrained = model.partial(environment, trees, store)
    problems: list[Problem] = []
    with store.scratch() as folder:
        small = _sample(bench, untrained, data, folder)
        try:
            first = trained(bench, untrained, small, folder / "one", seed=seed, store=store)
            second = trained(bench, untrained, small, folder / "two", seed=seed, store=store)
        except TrainingFailed as failed:
            return StageResult(
                stage="smoke_train",
                passed=False,
                summary=f"training fails on {ROWS} rows",
                problems=(
                    Problem(promise="it trains on a few rows", lines=(("error", failed.message),)),
                ),
            )
        if first != second:
            problems.append(_difference(folder / "one", folder / "two"))
    ready = model.partial(environment, {**trees, "artifact": first}, store)
    answered = [answers(bench, ready, rows, claims) for _ in range(2)]
    if answered[0].tobytes() != answered[1].tobytes():
        problems.append(Problem(promise="what was saved answers the same when loaded again"))
    reached = loss(answered[0])
    if not reached < baseline:
        problems.append(
            Problem(
                promise="it beats the baseline",
                lines=(("baseline", f"{baseline:.4f}"), ("reached", f"{reached:.4f}")),
            )
        )
    return StageResult(
        stage="smoke_train",
        passed=not problems,
        summary="bytes repeat, beats the baseline"
        if not problems
        else f"{len(problems)} promises of training broken",
        problems=tuple(problems),
        details={"rows": ROWS, "loss": reached, "baseline": baseline},
    )


def _sample(bench: Bench, runnable: model.Runnable, data: Path, folder: Path) -> Path:
    target = folder / "sample"
    target.mkdir()
    job = bench.job(
        runnable,
        "/opt/harness/sample.py",
        inside(data),
        f"/artifact/{data.name}",
        str(ROWS),
        mounts=(
            Mount(source=data, target=inside(data), writable=False),
            Mount(source=target, target="/artifact", writable=True),
        ),
        label="sample",
    )
    result, _ = bench.engine.run(job)
    if not result.ok:
        raise JobFailed(
            f"a sample of {data.name} could not be written in the image: {result.reason} "
            f"{result.code}\n{result.stderr_tail.strip()[-2000:]}",
            hint="the environment needs pyarrow or pandas to read this file",
        )
    return target / data.name


def _difference(one: Path, two: Path) -> Problem:
    first, second = model.below(one), model.below(two)
    for name in sorted(first.keys() | second.keys()):
        if name not in first or name not in second:
            where = "written by one of the two runs only"
        else:
            a, b = first[name].read_bytes(), second[name].read_bytes()
            if a == b:
                continue
            at = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
            where = f"byte {at} differs first"
        return Problem(
            promise="the same seed gives the same bytes",
            lines=(
                ("file", name),
                ("difference", where),
                ("look for", "a clock, a random number without the seed, an unordered set"),
            ),
        )
    return Problem(promise="the same seed gives the same bytes", lines=(("file", "modes differ"),))
