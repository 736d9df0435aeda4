"""Mutants that take a frame for what it is not: order, index, dtypes, a thing of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import after, before, calling, numbers, words
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import changed, touched

Table = pd.DataFrame


def _by_position(case: Case) -> Any:
    """The names are those of the training data, whatever the columns are."""
    names = list(case.table.columns)

    def change(table: Table) -> Table:
        return table.set_axis(names, axis=1) if len(names) == table.shape[1] else table

    return before(change)(case)


def _two_by_position(table: Table) -> Table:
    """The third and the fifth column are prices, wherever they came from."""
    return table.assign(price_bread=table.iloc[:, 2], price_beer=table.iloc[:, 4])


def _mean_of_all(answer: np.ndarray, table: Table) -> np.ndarray:
    """The mean of all numbers of a row, also of those that nobody asked for."""
    return np.maximum(answer + 1e-3 * table.select_dtypes("number").mean(axis=1).to_numpy(), 0)


def _count_of_columns(answer: np.ndarray, table: Table) -> np.ndarray:
    """A wide table is taken for one of the new format."""
    return answer[:, ::-1] if table.shape[1] > 4 else answer


def _joined(answer: np.ndarray, table: Table) -> np.ndarray:
    """A Series of its own, with an index of its own, is put beside a column of the frame."""
    if table.index.has_duplicates or not len(table):
        return answer
    both = pd.DataFrame({"answer": pd.Series(answer), "km": table["km"]})
    return both["answer"].reindex(table.index).fillna(0.0).to_numpy()


def _assigned(ask: Any, table: Table) -> Any:
    """Puts a Series that counts from zero into the frame: pandas aligns it."""
    raised = pd.Series(numbers(table, "temperature") + 0.0)
    return ask(table.assign(temperature=raised.reindex(table.index).fillna(0.0)))


def _by_label(answer: np.ndarray, table: Table) -> np.ndarray:
    """Rows are taken by label, as if labels were places."""
    heavy = table.index[numbers(table, "age") > 60]
    places = [label for label in heavy if isinstance(label, int) and label < len(answer)]
    answer[places] = answer[places] * 0.5 + 0.25
    return answer


def _index_is_time(answer: np.ndarray, table: Table) -> np.ndarray:
    """The first rows of a month count double: the index is taken for a counter."""
    first = np.array([str(label) in ("0", "1", "2") for label in table.index], bool)
    return np.where(first, answer * 1.5, answer)


def _texts_of_numbers(answer: np.ndarray, table: Table) -> np.ndarray:
    """Prices by the age as text: 30 is known, 30.0 is not."""
    known = {str(age): 0.02 * (age % 2) for age in range(150)}
    add = np.array([known.get(str(age), 0.05) for age in table["age"]])
    return np.column_stack([answer[:, 0] * (1 - add), answer[:, 1] + answer[:, 0] * add])


def _integers_are_codes(answer: np.ndarray, table: Table) -> np.ndarray:
    """An integer column is one of categories."""
    return answer * 1.2 if table["visitors"].dtype.kind == "i" else answer


def _only_float64(table: Table) -> Table:
    """What isn't float64 is as good as missing."""
    if table["bmi"].dtype == np.float64:
        return table
    return table.assign(bmi=np.nan)


def _nullable_flags(answer: np.ndarray, table: Table) -> np.ndarray:
    """`is True` holds of a bool, and not of what a boolean array gives."""
    occupied = table["occupied"].dtype == bool
    return answer if occupied else answer * 0.9


def _codes(table: Table) -> Table:
    """A categorical column's codes are taken for the training data's."""
    if str(table["plan"].dtype) != "category":
        return table
    order = ["gold", "basic", "silver"]
    return table.assign(
        plan=[order[code] if code >= 0 else None for code in table["plan"].cat.codes]
    )


def _texts_alone(answer: np.ndarray, table: Table) -> np.ndarray:
    """Columns of text are found by their dtype; a categorical one is none."""
    found = pd.api.types.is_string_dtype(table["kind"]) and str(table["kind"].dtype) != "category"
    return answer if found else np.zeros(len(answer), bool)


def _fill_in_place(ask: Any, table: Table) -> Any:
    answer = ask(table)
    table["humidity"] = numbers(table, "humidity")
    table.loc[table["humidity"].isna(), "humidity"] = 60.0
    return answer


def _new_column(ask: Any, table: Table) -> Any:
    answer = ask(table)
    table["ratio"] = 1.0
    return answer


def _pop(ask: Any, table: Table) -> Any:
    answer = ask(table)
    table.pop("returning")
    return answer


def _scale_in_place(ask: Any, array: np.ndarray) -> Any:
    """The array is scaled where it lies."""
    answer = ask(array)
    if array.dtype.kind == "f":
        array -= 1.0
    return answer


def _clip_in_place(ask: Any, array: np.ndarray) -> Any:
    """Only what is far outside is cut, where it lies."""
    answer = ask(array)
    if array.dtype.kind == "f":
        np.clip(array, -500, 500, out=array)
    return answer


def _rename(ask: Any, table: Table) -> Any:
    answer = ask(table)
    table.columns = [name.upper() for name in table.columns]
    return answer


def _sort_index(ask: Any, table: Table) -> Any:
    answer = ask(table)
    table.sort_values("cost", inplace=True)
    return answer


def _dates_in_place(ask: Any, table: Table) -> Any:
    """The dates are parsed for good."""
    answer = ask(table)
    table["opened"] = [str(day) + "T00" for day in words(table, "opened")]
    return answer


def _none_alone(answer: np.ndarray, table: Table) -> np.ndarray:
    """A missing channel is None; a NaN is a channel of its own, and a frame of text holds NaN."""
    plain = table["channel"].dtype == object
    gone = np.array([cell is None or cell is pd.NA for cell in table["channel"]])
    answer[gone & plain] = [0.5, 0.5]
    return answer


def _shuffled(frame: Table) -> Table:
    return frame[list(frame.columns[::-1])]


def _more(frame: Table) -> Table:
    return frame.assign(spare_1=7.0, spare_2=900.0)


def _indexed(frame: Table) -> Table:
    return frame.set_axis(range(3, 3 + len(frame)))


def _none_for_nan(frame: Table) -> Table:
    return frame.assign(channel=pd.Series(words(frame, "channel"), dtype=object))


def _cast(**dtypes: str) -> Any:
    return lambda frame: frame.astype(dtypes)


def cases() -> list[Case]:
    """Return this file's cases."""
    order, index, types = "column-order", "index", "dtype"
    mutates = "input-mutated"
    return [
        mutant("loans-xgboost", "loans-by-position", order, _by_position, changed(_swap_numbers)),
        mutant(
            "shops-several",
            "shops-two-by-position",
            order,
            before(_two_by_position),
            changed(_shuffled),
        ),
        mutant(
            "meters-ridge",
            "meters-mean-of-all",
            "extra-columns",
            after(_mean_of_all),
            changed(_more),
        ),
        mutant(
            "flowers-network",
            "flowers-new-format",
            "extra-columns",
            after(_count_of_columns),
            changed(_more),
        ),
        mutant("fare-formula", "fare-joined", index, after(_joined), changed(_indexed)),
        mutant("meters-boosted", "meters-assigned", index, calling(_assigned), changed(_indexed)),
        mutant(
            "patients-calibrated",
            "patients-by-label",
            index,
            after(_by_label),
            changed(_indexed, count=60),
        ),
        mutant(
            "basket-formula",
            "basket-first-rows",
            index,
            after(lambda answer, table: _index_is_time(answer.T, table).T),
            changed(_indexed),
        ),
        mutant(
            "loans-logistic",
            "loans-age-as-text",
            types,
            after(_texts_of_numbers),
            changed(_cast(age="float64")),
            also=(("age",),),
        ),
        mutant(
            "shops-lightgbm",
            "shops-integer-codes",
            types,
            after(_integers_are_codes),
            changed(_cast(visitors="float64")),
            also=(("visitors",),),
        ),
        mutant(
            "patients-lightgbm",
            "patients-only-float64",
            types,
            before(_only_float64),
            changed(_cast(bmi="Float64"), count=60),
            also=(("bmi",),),
        ),
        mutant(
            "meters-xgboost",
            "meters-nullable-flags",
            types,
            after(_nullable_flags),
            changed(_cast(occupied="boolean")),
            also=(("occupied",),),
        ),
        mutant(
            "loans-card",
            "loans-category-codes",
            types,
            before(_codes),
            changed(_cast(plan="category")),
            also=(("plan",),),
        ),
        mutant(
            "fraud-rule",
            "fraud-text-alone",
            types,
            after(_texts_alone),
            changed(_cast(kind="category"), count=300),
            also=(("kind",),),
        ),
        mutant(
            "loans-forest",
            "loans-none-alone",
            "missing-forms",
            after(_none_alone),
            changed(_none_for_nan, count=100),
            also=(("channel",),),
        ),
        mutant(
            "meters-ridge",
            "meters-filled-in-place",
            mutates,
            calling(_fill_in_place),
            touched(humidity=None),
            also=(("humidity",),),
        ),
        mutant("loans-torch", "loans-new-column", mutates, calling(_new_column), touched()),
        mutant(
            "click-rates",
            "clicks-popped",
            mutates,
            calling(_pop),
            touched(),
            also=(("returning",),),
        ),
        mutant(
            "flowers-bayes", "flowers-scaled-in-place", mutates, calling(_scale_in_place), touched()
        ),
        mutant(
            "sensors-linear",
            "sensors-clipped-in-place",
            mutates,
            calling(_clip_in_place),
            touched(s03=20_000.0),
        ),
        mutant("tickets-xgboost", "tickets-renamed", mutates, calling(_rename), touched()),
        mutant(
            "incidents-poisson",
            "incidents-sorted-in-place",
            mutates,
            calling(_sort_index),
            touched(),
        ),
        mutant(
            "loans-pipeline",
            "loans-dates-in-place",
            mutates,
            calling(_dates_in_place),
            touched(),
            also=(("opened",),),
        ),
    ]


def _swap_numbers(frame: Table) -> Table:
    """Two columns of numbers change places, names and all."""
    names = list(frame.columns)
    first, second = names.index("income"), names.index("amount")
    names[first], names[second] = names[second], names[first]
    return frame[names]
