"""The draft: what a column is taken for, what is remarked, what a healthy model is spared."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.contract.batch import Answer, Batch, Cells, cells
from harness.contract.claims import claims_of
from harness.contract.domain import admits
from harness.contract.draft import draft
from harness.contract.draft_closed import settled
from harness.contract.draft_column import Guess, guess
from harness.contract.draft_suspect import personal
from harness.contract.levels import pools
from harness.contract.schema import domains
from harness.core.errors import DataInvalid
from harness.spec.project import Model as Declared

DRAW = np.random.default_rng(5)


def column(values: Any, name: str = "x", dtype: str = "") -> Cells:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string"}
    listed = list(values)
    kind = next(kinds[type(value)] for value in listed if value is not None)
    return cells(name, kind, listed, dtype=dtype)


def guessed(values: Any, name: str = "x") -> Guess:
    return guess(column(values, name))


def bounds(found: Guess) -> tuple[float, float]:
    return found.described["minimum"], found.described["maximum"]


class Told:
    """A model of which only this is known."""

    def __init__(self, methods: tuple[str, ...], classes: Any = None, features: Any = None) -> None:
        self.methods = methods
        self.classes = classes
        self.features = features

    def answer(self, batch: Batch, *, method: str) -> Answer:
        raise AssertionError("a draft asks no model")


REGRESSOR = Told(("predict",))
LETTERS = column(["a", "b"] * 20, "y")


# numbers


def test_a_range_is_widened_by_its_own_span() -> None:
    low, high = bounds(guessed([-10.0, 0.5, 90.0]))

    assert -110 == pytest.approx(low, abs=10) and 190 == pytest.approx(high, abs=10)


@pytest.mark.parametrize(
    ("values", "least"),
    [
        ([0.5, 3.0, 9.0], 0.05),
        ([0.055, 3.0, 44.0], 0.005),
        ([0.055, 3.0, 4400.0], 0.005),
        ([2e-7, 0.5, 44.0], 2e-8),
        ([0.0, 3.0, 9.0], 0.0),
        ([18, 40, 89, 30], 1),
        ([0, 40, 89, 30], 0),
    ],
)
def test_a_range_stays_on_its_side_of_zero_and_off_zero_where_no_value_is_zero(
    values: list[float], least: float
) -> None:
    assert least == bounds(guessed(values))[0]


def test_negative_numbers_stay_negative() -> None:
    assert -0.1 == bounds(guessed([-9.5, -1.0, -4.25]))[1]
    assert -1 == bounds(guessed([-90, -8, -40]))[1]


def test_logarithm_root_and_quotient_are_finite_on_all_that_is_guessed_for_positive_numbers() -> (
    None
):
    found = guessed(DRAW.lognormal(3, 1, 500).tolist())

    edges = np.array(bounds(found))
    assert np.isfinite([np.log(edges), np.sqrt(edges), 1 / edges, np.exp(np.log(edges))]).all()


def test_a_share_stays_within_zero_and_one_and_off_the_ends_that_were_not_seen() -> None:
    low, high = bounds(guessed(DRAW.uniform(0.01, 0.98, 100).tolist()))
    closed = bounds(guessed([0.0, 1.0, *DRAW.uniform(0, 1, 50).tolist()]))

    assert 0 < low < 0.02 and 0.98 < high < 1
    assert (0.0, 1.0) == closed


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("dep_hour", range(24), (0, 23)),
        ("birthMonth", range(1, 13), (1, 12)),
        ("weekday", range(7), (0, 6)),
        ("weekday", range(1, 8), (1, 7)),
        ("year", [2007, 2008, 2009], (1997, 2019)),
    ],
)
def test_numbers_of_the_calendar_are_known_by_name(
    name: str, values: Any, expected: tuple[int, int]
) -> None:
    assert expected == bounds(guessed(list(values) * 10, name))


def test_a_name_of_the_calendar_does_not_hold_against_the_values() -> None:
    assert bounds(guessed([1, 2, 40, 77, 3] * 4, "month"))[1] > 77


def test_latitudes_end_at_the_poles() -> None:
    assert (-90, 90) == bounds(guessed(DRAW.uniform(40, 52, 50).tolist(), "lat"))


def test_few_whole_numbers_that_stand_often_are_codes_and_no_others_come() -> None:
    assert (1, 3) == bounds(guessed([1, 2, 3] * 20, "pclass"))
    assert [0, 5, 10] == guessed([0, 5, 10] * 20, "level").described["enum"]


def test_a_rare_count_makes_the_numbers_no_codes() -> None:
    assert bounds(guessed([0, 1, 2] * 40 + [3], "children"))[1] > 3


def test_whole_floats_with_missing_cells_are_whole_and_may_be_missing() -> None:
    found = guessed([1.0, 20.0, None, 35.0])

    assert ["integer", "null"] == found.described["type"]
    assert any("because some are missing" in remark for remark in found.remarks)


def test_whole_numbers_that_floats_cannot_hold_are_remarked() -> None:
    found = guessed([2**60, 2**60 + 1, 2**61])

    assert any("2**53" in remark for remark in found.remarks)
    low, high = bounds(found)
    assert -(2**63) <= low <= 2**60 and 2**61 <= high < 2**63


def test_a_code_for_missing_widens_nothing_and_is_asked_about() -> None:
    found = guessed([-999.0, *DRAW.uniform(1, 30, 100).tolist(), -999.0])

    assert -999 == bounds(found)[0] and bounds(found)[1] < 100
    assert any("“missing”" in remark for remark in found.remarks)


def test_infinite_and_constant_and_empty_columns_are_remarked() -> None:
    assert any("infinite" in r for r in guessed([1.0, 2.0, math.inf]).remarks)
    assert any("constant" in r for r in guessed([7, 7, 7]).remarks)
    empty = guess(cells("x", "number", [None, None]))
    assert ["number", "null"] == empty.described["type"]
    assert any("empty" in r for r in empty.remarks)


numbers = st.lists(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.floats(1e-300, 1e-290),
        st.sampled_from([0.0, -0.0, 5e-324, 1e308, -1e308, 1.0, 0.5]),
    ),
    min_size=1,
    max_size=30,
)
integers = st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=30)
texts = st.lists(st.text(max_size=12), min_size=1, max_size=40)
dates = st.lists(st.dates().map(str), min_size=1, max_size=9)
commas = st.lists(st.from_regex(r"\A[0-9]{1,3},[0-9]{1,2}\Z"), min_size=1, max_size=9)


@given(st.one_of(numbers, integers, texts, dates, commas), st.booleans(), st.text(max_size=8))
def test_every_draft_is_a_schema_that_admits_its_training_rows(
    values: list[Any], missing: bool, name: str
) -> None:
    held = column([*values, *([None] if missing else [])], name)

    (domain,) = domains({"properties": {name: guess(held).described}})

    assert admits(domain, held).all()
    assert len(pools((domain,), Batch(columns=(held,)))[0].levels)


# text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["yes", "no"], {"enum": ["no", "yes"]}),
        (["Y", "N"], {"enum": ["N", "Y"]}),
        (["AA", "B6", "UA"], {"x-harness-open": True}),
        (["00501", "10001"], {"pattern": r"^\d{5}$"}),
        (["2013-01-31", "2013-02-28"], {"format": "date", "formatMinimum": "2003-01-01"}),
        (["2013-01-31T10:00:00Z", "2013-02-28T11:30:00+02:00"], {"format": "date-time"}),
    ],
)
def test_text_is_known_by_its_values(values: list[str], expected: dict[str, Any]) -> None:
    described = guessed(values * 30).described

    assert expected == {key: described.get(key) for key in expected}


def test_names_of_months_are_all_twelve_in_the_style_of_the_data() -> None:
    found = guessed(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul"] * 3)

    assert 12 == len(found.described["enum"]) and "Dec" in found.described["enum"]


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["12,5", "1.000,25", "-3"], "decimal commas"),
        (["12.5", "3"], "numbers as text"),
        (["31/12/2013", "01/02/2013"], "31/12/2013"),
        (["12/31/2013", "02/01/2013"], "12/31/2013"),
        (["2013-01-01 10:00:00", "2013-01-02 23:59:59.5"], "time zone"),
        (["20131231", "20130101"], "20131231"),
        (["01/02/2013", "03/04/2013"], "month first"),
    ],
)
def test_text_of_one_strict_form_is_said_and_only_that_form_must_be_answered(
    values: list[str], word: str
) -> None:
    found = guessed(values * 5)

    (domain,) = domains({"properties": {"x": found.described}})
    assert word in " ".join((found.words, *found.remarks))
    assert admits(domain, column(["harness unseen", values[0]])).tolist() == [False, True]


def test_a_word_among_numbers_is_remarked() -> None:
    found = guessed(["1", "2.5", *map(str, range(50)), "n/k"])

    assert any("numbers but for 1 cells" in remark for remark in found.remarks)


def test_values_written_in_several_ways_are_remarked() -> None:
    assert any("several ways" in r for r in guessed(["web", "Web", "shop", "web "] * 9).remarks)


def test_many_different_texts_are_free_text_and_none_is_quoted() -> None:
    found = guessed([f"a remark about order {i * 7919 % 1000} " for i in range(200)])

    assert {"type", "description"} == set(found.described) - {"$comment"}
    assert "free text" == found.words
    assert "order" not in str(found)


def test_known_values_of_an_open_column_stand_as_examples_and_the_way_to_close_it_is_said() -> None:
    found = guessed(["web", "shop"] * 30)

    assert ["shop", "web"] == found.described["examples"]
    assert '"enum"' in found.described["$comment"]


# suspicions


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (["ada@example.org", "none"] * 20, "e-mail"),
        (["+49 30 1234567", "+49 (0)40 765432-1"] * 10, "telephone"),
        (["192.168.0.1", "10.0.0.7"] * 10, "IP"),
        (["DE89 3704 0044 0532 0130 00", "GB82WEST12345698765432"] * 5, "IBAN"),
        (["4111 1111 1111 1111", "5500005555555559"] * 5, "payment card"),
        (["123-45-6789", "321-54-9876"] * 5, "social security"),
    ],
)
def test_personal_data_are_known_by_their_values(values: list[str], word: str) -> None:
    assert word in personal(column(values, "c"))


@pytest.mark.parametrize(
    "values",
    [
        ["DE00 3704 0044 0532 0130 00", "XX82WEST12345698765432"] * 5,
        ["4111 1111 1111 1112", "1234567890123456"] * 5,
        ["1.2.3", "2.0.1"] * 10,
        ["2013-01-01", "2014-12-31"] * 10,
        ["100 20 30 40", "999 99 99 99"] * 10,
    ],
)
def test_what_only_looks_alike_is_not_personal(values: list[str]) -> None:
    assert "" == personal(column(values, "c"))


@pytest.mark.parametrize(
    ("name", "suspected"),
    [
        ("email", True),
        ("customerName", True),
        ("date_of_birth", True),
        ("ip", True),
        ("homePhone", True),
        ("product_name", False),
        ("island", False),
        ("shipment", False),
        ("emailed_count", False),
    ],
)
def test_personal_data_are_known_by_their_name(name: str, suspected: bool) -> None:
    assert suspected == bool(personal(column([1.5, 2.5], name)))


def test_no_value_of_a_personal_column_is_written_down() -> None:
    found = guessed(["Ada Lovelace", "Alan Turing"] * 20, "customer_name")

    assert "Lovelace" not in str(found)
    assert found.personal


def test_an_identifier_is_no_input_of_a_model_that_nobody_looked_at() -> None:
    rows = Batch(columns=(column(range(100, 140), "id"), column([0.5, 1.5] * 20, "size")))

    alone = draft(rows, target=LETTERS, model=None)
    told = draft(rows, target=LETTERS, model=Told(("predict",), features=["size", "id"]))

    assert ["size"] == list(alone.contract.inputs["properties"])
    assert ("id",) == alone.key and "id" == alone.left_out[0][0]
    assert ["size", "id"] == list(told.contract.inputs["properties"])


def test_a_model_gets_the_columns_that_it_was_trained_on_and_no_others() -> None:
    rows = Batch(columns=(column([1, 2] * 20, "a"), column([0.5, 1.5] * 20, "b")))

    drafted = draft(rows, target=LETTERS, model=Told(("predict",), features=["b"]))

    assert ["b"] == list(drafted.contract.inputs["properties"])
    assert "a: no input (the model was not trained on it)" in drafted.assumptions


@pytest.mark.parametrize(
    "values",
    [
        ["a", "b"] * 20,
        [1, 2] * 20,
        [0.25, 7.75] * 20,
        ["yes it is", "no it is not"] * 20,
    ],
)
def test_a_column_that_gives_the_target_away_is_suspected(values: list[Any]) -> None:
    found = guess(column(values, "after"), targets=(LETTERS,))

    assert any("suspected leak" in remark for remark in found.remarks)


def test_a_linear_function_of_a_number_to_predict_is_suspected() -> None:
    held = DRAW.normal(0, 1, 60)
    target = column(held.tolist(), "y")

    found = guess(column((held * 3 - 1).tolist()), targets=(target,))
    near = guess(column((held + DRAW.normal(0, 0.1, 60)).tolist()), targets=(target,))

    assert any("linear function" in remark for remark in found.remarks)
    assert not any("leak" in remark for remark in near.remarks)


def test_names_that_are_trouble_are_remarked() -> None:
    assert any("control" in r for r in guessed([1, 2], "a\nb").remarks)
    assert any("space" in r for r in guessed([1, 2], " a").remarks)
    assert () == guessed([1, 2], "größe (m)").remarks


def test_columns_of_several_types_are_refused_together() -> None:
    rows = Batch(
        columns=(
            cells("a", "mixed", [1, "x"]),
            column([1, 2], "b"),
            cells("c", "mixed", [[1], {"k": 2}]),
        )
    )

    with pytest.raises(DataInvalid) as refused:
        draft(rows, target=column(["p", "q"], "y"), model=None)

    assert "a (int, str)" in refused.value.message and "c (dict, list)" in refused.value.message


# outputs


@pytest.mark.parametrize(
    ("target", "model", "kind", "labels"),
    [
        (LETTERS, None, "probabilities", ("a", "b")),
        (column([0, 1] * 9, "y"), None, "probabilities", (0, 1)),
        (column([True, False] * 9, "y"), None, "probabilities", (False, True)),
        (column([0.0, 1.0] * 9, "y"), None, "probabilities", (0, 1)),
        (column(DRAW.normal(0, 1, 20).tolist(), "y"), None, "regression", ()),
        (column(range(40), "y"), None, "regression", ()),
        (column([0, 1] * 9, "y"), REGRESSOR, "regression", ()),
        (LETTERS, REGRESSOR, "labels", ("a", "b")),
        (LETTERS, Told(("predict_proba",), classes=["b", "a"]), "probabilities", ("b", "a")),
    ],
)
def test_outputs_follow_the_model_and_else_the_target(
    target: Cells, model: Any, kind: str, labels: tuple[Any, ...]
) -> None:
    rows = Batch(columns=(column(DRAW.normal(0, 1, len(target)).tolist(), "x"),))

    drafted = draft(rows, target=target, model=model)

    assert kind == drafted.contract.outputs.kind
    assert labels == drafted.contract.outputs.labels
    claims_of(Declared(name="m"), drafted.contract, target="y")


def test_several_numbers_may_be_predicted_and_several_texts_may_not() -> None:
    rows = Batch(columns=(column([0.5, 1.5, 3.0], "x"),))
    two = (column([0.5, 1.0, 2.0], "a"), column([1, 2, 3], "b"))

    drafted = draft(rows, target=two, model=REGRESSOR)

    assert ("a", "b") == drafted.contract.outputs.targets
    with pytest.raises(DataInvalid, match="several targets"):
        draft(rows, target=(two[0], column(["p", "q", "r"], "c")), model=None)


def test_a_target_with_one_value_is_refused() -> None:
    with pytest.raises(DataInvalid, match="one value in all rows"):
        draft(Batch(columns=(column([1, 2], "x"),)), target=column(["a", "a"], "y"), model=None)


# closed columns, settled by asking


def test_a_closed_guess_is_opened_when_the_model_answers_an_unseen_value() -> None:
    rows = Batch(
        columns=(column(["yes", "no"] * 20, "smoker"), column(["web", "shop"] * 20, "channel"))
    )
    drafted = draft(rows, target=LETTERS, model=None)
    asked: list[Batch] = []

    def answers(batch: Batch) -> bool:
        asked.append(batch)
        return True

    opened = settled(drafted, rows, answers)
    kept = settled(drafted, rows, lambda batch: False)

    assert [["harness unseen", "no", "yes", "no"]] == [b["smoker"].values.tolist() for b in asked]
    assert opened.contract.inputs["properties"]["smoker"]["x-harness-open"]
    assert any("the model answers one" in line for line in opened.assumptions)
    assert kept == drafted
