"""The image's own server, as it ships: parity with the probe to the bit, malformed bodies
refused, latency and cold start measured, a clean end on SIGTERM."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.contract import levels
from harness.contract import rows as drawn
from harness.contract.batch import Batch, Refusal, Unsendable
from harness.contract.claims import Claims, roles
from harness.core.errors import JobFailed
from harness.engine.engine import Mount, Result, Running
from harness.image.model import Runnable
from harness.stages import load
from harness.stages.load import Bench
from harness.stages.stage import Problem, StageResult
from harness.stages.v2 import infer_body, malformed, values_of
from harness.world.store import Store
from harness.world.unix_http import Connection

ROWS = 256
"""Rows compared between server and probe: so many real ones, and so many made ones."""
REQUESTS = 200
"""Single-row requests whose latency is measured, one after the other (a closed loop)."""
READY = 60.0
DRAIN = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A server that answers: its socket, and how long it took to its first 200."""

    socket: Path
    cold_start: float
    running: Running

    def stop(self) -> Result | None:
        """Send SIGTERM and return how the server ended."""
        self.running.terminate()
        return self.running.wait(timeout=DRAIN)


@contextmanager
def served(bench: Bench, runnable: Runnable, store: Store) -> Iterator[Served]:
    """Give the image's server, listening on a unix socket; it ends with the context."""
    with store.scratch() as folder:
        sockets = folder / "s"
        sockets.mkdir()
        job = bench.job(
            runnable,
            "/opt/harness/serve.py",
            "--uds",
            "/run/harness/http",
            mounts=(Mount(source=sockets, target="/run/harness", writable=True),),
            label="serve",
        )
        started = time.monotonic()
        with bench.engine.start(job) as running:
            _await(sockets / "http", running, started)
            yield Served(
                socket=sockets / "http",
                cold_start=time.monotonic() - started,
                running=running,
            )


def _await(socket: Path, running: Running, started: float) -> None:
    while time.monotonic() - started < READY:
        try:
            if Connection(socket, 2.0).ask("GET", "/v2/health/ready").status == 200:
                return
        except (OSError, EOFError):
            pass  # not listening yet; the deadline and the server's own end are watched below
        ended = running.wait(timeout=0.02)
        if ended is not None:
            raise JobFailed(
                f"the image's server ended before it was ready: {ended.reason} {ended.code}\n"
                + ended.stderr_tail.strip()[-2000:],
                hint="the environment needs uvicorn; the model must load from its artifact",
            )
    raise JobFailed(f"the image's server was not ready within {READY:g} s")


def check(
    bench: Bench,
    runnable: Runnable,
    store: Store,
    *,
    name: str,
    claims: Claims,
    rows: Batch,
) -> StageResult:
    """Return whether the server keeps what the probe promised."""
    sample = rows.take(np.arange(min(ROWS, rows.rows)))
    more = made(claims, rows)
    with load.probe(bench, runnable) as direct:
        method = roles(claims, direct.methods)[claims.outputs.kind]
        asked, expected = [sample], [direct.answer(sample, method=method)]
        with suppress(Refusal, Unsendable):  # one of so few may be what the contract didn't meet
            expected.append(direct.answer(more, method=method))
            asked.append(more)
    problems: list[Problem] = []
    with served(bench, runnable, store) as server:
        connection = Connection(server.socket)
        target = f"/v2/models/{name}/infer"
        for batch, answer in zip(asked, expected, strict=True):
            got = connection.ask("POST", target, infer_body(batch))
            problems += _parity(got.status, got.body, np.asarray(answer.values), method)
        problems += _refusals(connection, target, sample)
        latencies = _latencies(connection, target, sample)
        connection.close()
        ended = server.stop()
    if not (ended is not None and ended.reason == "exited" and ended.code == 0):
        what = "nothing" if ended is None else f"{ended.reason} {ended.code}"
        problems.append(
            Problem(
                promise="SIGTERM ends the server cleanly",
                lines=(("expected", "exit code 0"), ("observed", what)),
            )
        )
    p50, p99 = (float(np.quantile(latencies, q) * 1e3) for q in (0.5, 0.99))
    return StageResult(
        stage="integration",
        passed=not problems,
        summary=f"parity to the bit, p50 {p50:.1f} ms, p99 {p99:.0f} ms, "
        f"cold start {server.cold_start:.1f} s"
        if not problems
        else f"{len(problems)} promises of the server broken",
        problems=tuple(problems),
        details={
            "rows": sum(batch.rows for batch in asked),
            "latency_p50_ms": round(p50, 3),
            "latency_p99_ms": round(p99, 3),
            "cold_start_seconds": round(server.cold_start, 3),
        },
    )


def made(claims: Claims, known: Batch) -> Batch:
    """Return rows that the contract admits, at the edges of what it admits: what training data hold
    fits into the types of training data, and what it admits may not."""
    pools = levels.pools(claims.domains, known if known.rows else None)
    return drawn.make(drawn.plan(pools, known), 0, ROWS).batch


def _parity(status: int, body: bytes, expected: np.ndarray, method: str) -> list[Problem]:
    promise = "the server answers what the probe answers, to the bit"
    if status != 200:
        text = body[:300].decode("utf-8", "replace")
        return [Problem(promise=promise, lines=(("status", str(status)), ("body", text)))]
    observed = values_of(json.loads(body), method)
    if observed.shape != expected.shape:
        shapes = (("probe", str(expected.shape)), ("server", str(observed.shape)))
        return [Problem(promise=promise, lines=shapes)]
    if observed.dtype.kind == "f" and expected.dtype.kind == "f":
        same = observed.astype(expected.dtype).tobytes() == expected.tobytes()
    else:
        same = observed.astype(str).tolist() == expected.astype(str).tolist()
    if same:
        return []
    rows = np.flatnonzero(np.reshape(observed != expected, (len(expected), -1)).any(axis=1))
    first = int(rows[0]) if len(rows) else 0
    return [
        Problem(
            promise=promise,
            lines=(
                ("row", str(first)),
                ("probe", str(expected[first])),
                ("server", str(observed[first])),
                ("rows", f"{len(rows)} of {len(expected)} differ"),
            ),
        )
    ]


def _refusals(connection: Connection, target: str, sample: Batch) -> list[Problem]:
    problems = []
    for title, body, headers in malformed(sample):
        response = connection.ask("POST", target, body, headers)
        if not 400 <= response.status < 500:
            problems.append(
                Problem(
                    promise="a malformed body is a 4xx with a reason",
                    lines=(("body", title), ("status", str(response.status))),
                )
            )
    return problems


def _latencies(connection: Connection, target: str, sample: Batch) -> np.ndarray:
    bodies = [infer_body(sample.take(np.array([i]))) for i in range(min(sample.rows, 32))]
    seconds = []
    for i in range(REQUESTS):
        started = time.perf_counter()
        connection.ask("POST", target, bodies[i % len(bodies)])
        seconds.append(time.perf_counter() - started)
    return np.array(seconds)
