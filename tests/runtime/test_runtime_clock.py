"""The shifted clock, in processes of their own: a shift can't be taken back for others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.runtime import clock

RUNTIME = Path(clock.__file__).parent
YEARS = 9 * 365 * 86_400


def told(code: str, **environment: str) -> Any:
    """What *code* leaves in ``said``, run beside our runtime with a shifted clock."""
    begun = f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\nimport clock; clock.start()\n"
    done = subprocess.run(
        [sys.executable, "-c", f"{begun}{code}\nimport json; print(json.dumps(said))"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


SECONDS = """
import time
from datetime import date, datetime, timezone
real = clock._system()
class Own(datetime):
    pass
said = {name: float(value) - real for name, value in {
    "time": time.time(),
    "time_ns": time.time_ns() / 1e9,
    "clock_gettime": time.clock_gettime(time.CLOCK_REALTIME),
    "localtime": time.mktime(time.localtime()),
    "ctime": time.mktime(time.strptime(time.ctime())),
    "asctime": time.mktime(time.strptime(time.asctime())),
    "strftime": time.mktime(time.strptime(time.strftime("%Y-%m-%d %H:%M:%S"), "%Y-%m-%d %H:%M:%S")),
    "now": datetime.now().timestamp(),
    "now in a zone": datetime.now(timezone.utc).timestamp(),
    "utcnow": datetime.utcnow().replace(tzinfo=timezone.utc).timestamp(),
    "datetime.today": datetime.today().timestamp(),
    "a subclass": Own.now().timestamp(),
}.items()}
said["day"] = (date.today() - date.fromtimestamp(real)).days
said["kept"] = time.gmtime(0).tm_year
said["own"] = type(Own.now()).__name__
"""


def test_every_way_to_ask_for_now_is_shifted_and_none_other() -> None:
    said = told(SECONDS, HARNESS_CLOCK=str(YEARS), TZ="UTC")

    assert (9 * 365, 1970, "Own") == (said.pop("day"), said.pop("kept"), said.pop("own"))
    assert {name for name, seconds in said.items() if abs(seconds - YEARS) > 30} == set()


def test_the_classes_stay_who_they_are() -> None:
    said = told(
        """
from datetime import date, datetime
import copy, pickle
now = datetime.now()
said = [
    type(now) is datetime, isinstance(date.today(), date), isinstance(now, date),
    pickle.loads(pickle.dumps(now)) == now, copy.deepcopy(now) == now,
    datetime(2020, 1, 1) < now, datetime.fromisoformat("2020-01-02").year == 2020,
]
""",
        HARNESS_CLOCK="86400",
    )

    assert [True] * 7 == said


def test_pandas_is_shifted_whether_it_was_loaded_before_or_after() -> None:
    code = """
import pandas, time
real = clock._system()
said = [abs(moment.timestamp() - real - {years}) < 60 for moment in (
    pandas.Timestamp.now("UTC"), pandas.Timestamp("now", tz="UTC"), pandas.Timestamp.today("UTC"),
)]
"""
    after = told(code.format(years=YEARS), HARNESS_CLOCK=str(YEARS))
    before = told(f"import pandas; clock.shift({YEARS})\n{code.format(years=YEARS)}")

    assert ([True] * 3, [True] * 3) == (after, before)


def test_a_shift_may_change_and_end_and_clocks_that_measure_go_on() -> None:
    said = told(
        """
import time
from datetime import datetime
began = time.monotonic()
clock.shift(-1000.0)
past = time.time() - clock._system()
clock.shift(0)
said = [round(past), round(datetime.now().timestamp() - clock._system()),
        time.monotonic() - began < 100]
"""
    )

    assert [-1000, 0, True] == said


def test_without_the_variable_nothing_is_touched() -> None:
    environment = {k: v for k, v in os.environ.items() if k != clock.VARIABLE}
    code = (
        f"import sys, time; sys.path.insert(0, {str(RUNTIME)!r}); was = time.time\n"
        "import clock; clock.start(); print(time.time is was)"
    )

    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)

    assert b"True\n" == done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no tzset")
def test_a_time_zone_that_the_system_has_no_file_for_is_five_hours_and_three_quarters() -> None:
    lost = told("import time; said = -time.timezone", HARNESS_CLOCK="1", TZ="No/Such_Place")
    known = told("import time; said = -time.timezone", HARNESS_CLOCK="1", TZ="UTC")

    assert (20_700, 0) == (lost, known)
