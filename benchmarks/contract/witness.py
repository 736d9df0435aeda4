"""Evidence that a model misbehaves, by a few rows and plain comparisons; no check of ours is used.

A witness is a function of a case. It builds the model, asks it something concrete, and returns
whether a promise is broken.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.corpus import Case

Witness = Callable[[Case], bool]
ROOT = Path(__file__).resolve().parents[2]


def rows(case: Case, count: int = 8, start: int = 0) -> pd.DataFrame:
    """Return the first *count* training rows from *start* on, without their target."""
    return case.table.inputs().iloc[start : start + count].reset_index(drop=True)


def row(case: Case, place: int = 0, **cells: Any) -> pd.DataFrame:
    """Return one training row with some cells replaced."""
    return put(rows(case, 1, place), **cells)


def put(frame: pd.DataFrame, at: int = 0, **cells: Any) -> pd.DataFrame:
    """Return *frame* with cells of row *at* replaced; a column keeps its dtype where it can."""
    frame = frame.copy()
    for name, value in cells.items():
        held = list(frame[name].astype(object))
        held[at] = value
        plain = all(isinstance(v, str) or v is None for v in held)
        real = [v for v in held if v is not None]
        if plain and str(frame[name].dtype).startswith("str"):
            frame[name] = pd.Series(held, dtype=frame[name].dtype)
        elif real and all(isinstance(v, bool | np.bool_) for v in held):
            frame[name] = pd.Series(held, dtype=bool)
        elif all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in held):
            frame[name] = pd.Series(held, dtype="int64")
        elif all(v is None or (isinstance(v, int | float | np.number)) for v in held):
            frame[name] = pd.Series([np.nan if v is None else v for v in held], dtype=float)
        else:
            frame[name] = pd.Series(held, dtype=object)
    return frame


def taken(case: Case, frame: pd.DataFrame) -> Any:
    """Return *frame* as what the model takes."""
    if case.input == "numpy":
        kinds = {dtype.kind for dtype in frame.dtypes}
        return frame.to_numpy(float if kinds <= set("iufb") else object, copy=True)
    if case.input == "pyarrow":
        import pyarrow as pa

        return pa.Table.from_pandas(frame, preserve_index=False)
    return frame


def methods(case: Case, model: Any) -> list[str]:
    """Return what a caller would ask, the claimed kind first."""
    first = "predict_proba" if case.outputs["kind"] == "probabilities" else "predict"
    found = [name for name in (first, "predict") if hasattr(model, name)]
    return list(dict.fromkeys(found)) or ["__call__"]


def ask(case: Case, model: Any, frame: pd.DataFrame, method: str = "") -> np.ndarray:
    """Return the answer as an array."""
    asked = getattr(model, method or methods(case, model)[0])
    return np.asarray(asked(taken(case, frame)))


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Return whether two answers are equal, but for the noise of floats."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fc":
        return bool(np.allclose(one, other.astype(float), rtol=1e-4, atol=1e-6, equal_nan=True))
    return one.tolist() == other.tolist()


def sound(case: Case, answer: np.ndarray, count: int, method: str = "") -> bool:
    """Return whether *answer* is one that was claimed: shape, finite, bounds, sum, labels."""
    outputs, labels = case.outputs, case.labels
    if outputs["kind"] == "regression":
        width = len(outputs.get("targets", ()))
        low, high = outputs.get("minimum", -np.inf), outputs.get("maximum", np.inf)
        if answer.shape != ((count, width) if width else (count,)) or answer.dtype.kind not in "fi":
            return False
        return bool(np.isfinite(answer).all() and (answer >= low).all() and (answer <= high).all())
    if outputs["kind"] == "labels" or method == "predict":
        kinds = {type(label) for label in labels}
        listed = answer.tolist()
        return answer.shape == (count,) and all(v in labels and type(v) in kinds for v in listed)
    alone = outputs.get("positive_only", False)
    if answer.shape != ((count,) if alone else (count, len(labels))):
        return False
    good = np.isfinite(answer).all() and (answer >= -1e-9).all() and (answer <= 1 + 1e-6).all()
    return bool(good and (alone or np.allclose(answer.sum(axis=1), 1, atol=1e-5)))


def refuses(case: Case, model: Any, frame: pd.DataFrame) -> str:
    """Return the class of what the model raises on *frame*; empty when it answers."""
    try:
        for method in methods(case, model):
            ask(case, model, frame, method)
    except (Exception, SystemExit) as raised:
        names = [kind.__name__ for kind in type(raised).__mro__]
        return next((name for name in names if name in case.errors), names[0])
    return ""


def cells(place: int = 0, **wanted: Any) -> Witness:
    """The ordinary row with these cells, which the schema admits, is not answered as claimed."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), row(case, place, **wanted)
        if refuses(case, model, frame):
            return True
        answers = [(m, ask(case, model, frame, m)) for m in methods(case, model)]
        if not all(sound(case, answer, 1, m) for m, answer in answers):
            return True
        return len(answers) == 2 and _unlikely(case, answers[0][1], answers[1][1])

    return witness


def training(count: int = 20) -> Witness:
    """Training rows are not answered as claimed."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), rows(case, count)
        answers = [(m, ask(case, model, frame, m)) for m in methods(case, model)]
        if not all(sound(case, answer, count, m) for m, answer in answers):
            return True
        return len(answers) == 2 and _unlikely(case, answers[0][1], answers[1][1])

    return witness


def _unlikely(case: Case, shares: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a label is not the likeliest (a lead of 0.01 is no tie)."""
    given = [case.labels.index(label) for label in labels.tolist()]
    return bool((shares.max(axis=1) - shares[np.arange(len(given)), given] > 0.01).any())


def alone(count: int = 12, start: int = 0, **wanted: Any) -> Witness:
    """A row of a batch is answered in another way when it is alone."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), put(rows(case, count, start), at=count // 2, **wanted)
        together = ask(case, model, frame)
        if len(together) != count:
            return True
        one = ask(case, model, frame.iloc[[count // 2]].reset_index(drop=True))
        return not same(together[count // 2 : count // 2 + 1], one)

    return witness


def changed(change: Callable[[pd.DataFrame], pd.DataFrame], count: int = 12) -> Witness:
    """The answers differ when the frame is changed in a way that must not matter."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), rows(case, count)
        try:
            other = ask(case, model, change(frame))
        except (ValueError, TypeError, KeyError):
            return False
        except Exception:
            return True
        return not same(ask(case, model, rows(case, count)), other)

    return witness


def reordered(count: int = 40) -> Witness:
    """Rows in reverse order get other answers."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), rows(case, count)
        there = ask(case, model, frame)
        back = ask(case, model, frame.iloc[::-1].reset_index(drop=True))
        return not same(there, back[::-1])

    return witness


def repeated(count: int = 20, times: int = 3) -> Witness:
    """The same rows get other answers when asked again."""

    def witness(case: Case) -> bool:
        model = case.build()
        first = ask(case, model, rows(case, count))
        return any(not same(first, ask(case, model, rows(case, count))) for _ in range(times))

    return witness


def after_others(count: int = 10) -> Witness:
    """Rows get other answers when other rows have been asked before."""

    def witness(case: Case) -> bool:
        fresh, used = case.build(), case.build()
        ask(case, used, rows(case, count, 100))
        return not same(ask(case, fresh, rows(case, count)), ask(case, used, rows(case, count)))

    return witness


def touched(**wanted: Any) -> Witness:
    """The frame or array that the model was given is another one afterwards."""

    def witness(case: Case) -> bool:
        model = case.build()
        given = taken(case, put(rows(case, 12), **wanted))
        kept = given.copy()
        getattr(model, methods(case, model)[0])(given)
        if isinstance(given, np.ndarray):
            return not np.array_equal(given, kept, equal_nan=given.dtype.kind == "f")
        with contextlib.suppress(AssertionError):
            pd.testing.assert_frame_equal(given, kept, check_exact=True)
            return False
        return True

    return witness


def sized(count: int) -> Witness:
    """A batch of so many rows is not answered in the claimed shape."""

    def witness(case: Case) -> bool:
        model = case.build()
        frame = pd.concat([rows(case, 600)] * (count // 600 + 1), ignore_index=True)[:count]
        try:
            return not sound(case, ask(case, model, frame), count)
        except Exception:
            return True

    return witness


def hostile(bad: dict[str, Any], count: int = 6, at: int = 2) -> Witness:
    """A row that the schema does not admit gets nonsense or an undeclared error, or changes what
    the rows beside it get."""

    def witness(case: Case) -> bool:
        model, clean = case.build(), rows(case, count)
        good = ask(case, model, clean)
        frame = put(clean, at=at, **bad)
        refused = refuses(case, model, frame)
        if refused:
            return refused not in case.errors
        for method in methods(case, model):
            if not sound(case, ask(case, model, frame, method), count, method):
                return True
        others = [place for place in range(count) if place != at]
        return not same(good[others], ask(case, model, frame)[others])

    return witness


def spelt(name: str, clean: Any, other: Any) -> Witness:
    """Another spelling of a cell is neither refused nor answered like the clean one."""

    def witness(case: Case) -> bool:
        model = case.build()
        spelling = row(case, **{name: other})
        refused = refuses(case, model, spelling)
        if refused:
            return refused not in case.errors
        return not same(ask(case, model, row(case, **{name: clean})), ask(case, model, spelling))

    return witness


def without(name: str) -> Witness:
    """A batch without this column gets an undeclared error or nonsense."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), rows(case).drop(columns=name)
        refused = refuses(case, model, frame)
        if refused:
            return refused not in case.errors
        return not sound(case, ask(case, model, frame), len(frame))

    return witness


def wrong_way(name: str, low: Any, high: Any, place: int = 0, **fixed: Any) -> Witness:
    """The answer goes against its declared direction between two values of a column."""

    def witness(case: Case) -> bool:
        model = case.build()
        ends = [ask(case, model, row(case, place, **fixed, **{name: v})) for v in (low, high)]
        start, end = (float(np.ravel(answer)[-1]) for answer in ends)
        rise = end - start if case.monotone[name] == "up" else start - end
        return rise < -1e-4 * max(abs(start), abs(end))

    return witness


def not_the_same(name: str, one: Any, other: Any, place: int = 0, **fixed: Any) -> Witness:
    """The answer changes with a column that must not matter."""

    def witness(case: Case) -> bool:
        model = case.build()
        answers = [ask(case, model, row(case, place, **fixed, **{name: v})) for v in (one, other)]
        return not same(*answers)

    return witness


def other_process(**environment: str) -> Witness:
    """Another process with these environment variables gives other answers."""

    def witness(case: Case) -> bool:
        mine = ask(case, case.build(), rows(case, 12)).tolist()
        code = (
            "import json, sys; sys.path.insert(0, sys.argv[1])\n"
            "from benchmarks.contract import corpus, witness\n"
            "case = corpus.find(sys.argv[2])\n"
            "answer = witness.ask(case, case.build(), witness.rows(case, 12))\n"
            "print(json.dumps(answer.tolist()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(ROOT), case.name],
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        theirs = json.loads(done.stdout.splitlines()[-1])
        return not same(np.array(mine), np.array(theirs))

    return witness


def dies(**wanted: Any) -> Witness:
    """The ordinary row with these cells takes the process down, or is not answered in 15 s."""

    def witness(case: Case) -> bool:
        code = (
            "import json, sys; sys.path.insert(0, sys.argv[1])\n"
            "from benchmarks.contract import corpus, witness\n"
            "case, cells = corpus.find(sys.argv[2]), json.loads(sys.argv[3])\n"
            "witness.ask(case, case.build(), witness.row(case, **cells))"
        )
        command = [sys.executable, "-c", code, str(ROOT), case.name, json.dumps(wanted)]
        try:
            return subprocess.run(command, capture_output=True, timeout=15).returncode != 0
        except subprocess.TimeoutExpired:
            return True

    return witness


def crossed(tries: int = 30) -> Witness:
    """Of four threads that ask at once, one gets what belongs to another."""

    def witness(case: Case) -> bool:
        model = case.build()
        frames = [taken(case, rows(case, 40, start)) for start in (0, 40, 80, 120)]
        method = getattr(model, methods(case, model)[0])
        right = [np.asarray(method(frame)) for frame in frames]
        gate, wrong = threading.Barrier(len(frames)), []

        def loop(place: int) -> None:
            for _ in range(tries):
                gate.wait()
                if not same(right[place], np.asarray(method(frames[place]))):
                    wrong.append(place)

        threads = [threading.Thread(target=loop, args=(place,)) for place in range(len(frames))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return bool(wrong)

    return witness


def built_again() -> Witness:
    """The model that is made a second time gives other answers."""

    def witness(case: Case) -> bool:
        frame = rows(case, 20)
        return not same(ask(case, case.build(), frame), ask(case, case.build(), frame))

    return witness


def another_day() -> Witness:
    """The answers are others a year later by the machine's clock."""

    def witness(case: Case) -> bool:
        model, frame = case.build(), rows(case, 20)
        today, clock = ask(case, model, frame), time.time
        time.time = lambda: clock() + 365 * 86_400
        try:
            return not same(today, ask(case, model, frame))
        finally:
            time.time = clock

    return witness
