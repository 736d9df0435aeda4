# /// script
# requires-python = ">=3.11"
# dependencies = ["palmerpenguins==0.1.6", "pandas>=3,<4", "pyarrow>=20"]
# ///
"""Write data/{train,dev,holdout}.parquet from the 344 birds of the palmerpenguins package.

Nothing is drawn at random: which part a nest goes to is a matter of its hash, so two runs write
the same bytes.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet

SHARES = {"holdout": 100, "dev": 44}  # of 344 birds; the others are for training

COLUMNS = pa.schema(
    [
        ("id", pa.string()),
        ("island", pa.string()),
        ("bill_length_mm", pa.float64()),
        ("bill_depth_mm", pa.float64()),
        ("flipper_length_mm", pa.float64()),
        ("body_mass_g", pa.float64()),
        ("sex", pa.string()),
        ("year", pa.int64()),
        ("species", pa.string()),
    ]
)


def table(name: str) -> pd.DataFrame:
    """Return one table of the package, whose rows are the same birds in the same order."""
    found = find_spec("palmerpenguins")
    if found is None or found.origin is None:
        raise SystemExit("error: palmerpenguins is not installed\nhint: pip install palmerpenguins")
    return pd.read_csv(Path(found.origin).parent / "data" / name)


def penguins() -> pd.DataFrame:
    """Return every bird, with an id, and the hash of its nest."""
    birds, raw = table("penguins.csv"), table("penguins-raw.csv")
    bird = raw["Individual ID"]  # N7A2: the second adult of nest 7; used again every season
    nest = birds["species"] + birds["island"] + bird.str.extract(r"^(N\d+)A\d$", expand=False)
    return birds.assign(
        id=raw["studyName"] + "-" + bird,
        nest=[hashlib.sha256(name.encode()).hexdigest() for name in nest],
    ).sort_values(["nest", "id"], ignore_index=True)


def parts(birds: pd.DataFrame) -> pd.Series:
    """Return the part of each bird: each species in its share, and no nest in two parts.

    Mates, and the birds that came back to a nest in another year, are too alike to be on both
    sides of a test.
    """
    part = pd.Series("train", index=birds.index)
    for _, species in birds.groupby("species"):
        # Most nests have two birds: even places, or the last one would never be taken.
        free = {
            name: round(len(species) * share / len(birds) / 2) * 2 for name, share in SHARES.items()
        }
        for _, nest in species.groupby("nest"):
            for name in free:
                if len(nest) <= free[name]:
                    part[nest.index] = name
                    free[name] -= len(nest)
                    break
    return part


def main() -> None:
    """Write the three files beside this script."""
    folder = Path(__file__).parent / "data"
    folder.mkdir(exist_ok=True)
    birds = penguins()
    chosen = parts(birds)
    for name in ("train", "dev", "holdout"):
        part = birds.loc[chosen == name, COLUMNS.names]
        arrow = pa.Table.from_pandas(part, schema=COLUMNS, preserve_index=False)
        parquet.write_table(arrow.replace_schema_metadata(None), folder / f"{name}.parquet")
        print(f"data/{name}.parquet: {len(part)} penguins")


if __name__ == "__main__":
    main()
