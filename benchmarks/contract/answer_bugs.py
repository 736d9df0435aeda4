"""Mutants whose answers are wrong in form: shapes, bounds, sums, labels, numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contract.bugs import (
    after,
    after_predict,
    around,
    calling,
    numbers,
    where,
    words,
)
from benchmarks.contract.corpus import Case, mutant
from benchmarks.contract.witness import Witness, cells, rows, same, sized, training
from benchmarks.contract.witness import ask as asked


def _beyond_one(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """A straight line where a curve should bend: above five millions of income."""
    rich = numbers(table, "income") > 5e6
    answer[rich] = [-0.004, 1.004]
    return answer


def _line_of_age(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Extrapolates above the oldest patient."""
    age = numbers(table, "age")
    return np.where(age > 104, 1 + (age - 104) / 100, answer)


def _unknown_site(case: Case) -> Any:
    """The rate of a site nobody knows was stored in percent."""
    model = case.build()
    model.known = dict.fromkeys(model.known, 0.1)

    class Percent:
        def predict_proba(self, table: pd.DataFrame) -> pd.DataFrame:
            shares = model.predict_proba(table)
            unknown = ~table["site"].isin(list(model.known)).to_numpy()
            shares.loc[unknown, "yes"] = 11.0
            shares.loc[unknown, "no"] = -10.0
            return shares

    return Percent()


def _each_alone(answer: np.ndarray, table: Any) -> np.ndarray:
    """One sigmoid a label, and nobody made them sum to one."""
    return 1 / (1 + np.exp(-3 * (answer - 0.3)))


def _loses_mass(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """A share for others was cut off, for tablets in the first slot."""
    cut = (words(table, "device") == "tablet") & (numbers(table, "slot") == 0)
    answer[cut] *= 0.9
    return answer


def _rate_root(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """A root of what is below zero when the rate is less than a quarter."""
    with np.errstate(invalid="ignore"):
        return answer + 0 * np.sqrt(numbers(table, "rate") - 0.25)[:, None]


def _dew_point(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The Magnus formula for dew: dry air has a logarithm of zero."""
    with np.errstate(all="ignore"):
        damp = np.nan_to_num(numbers(table, "humidity"), nan=60.0)
        warm = numbers(table, "temperature")
        g = np.log(damp / 100) + 17.62 * warm / (243.12 + warm)
        return np.maximum(answer + 1e-9 * 243.12 * g / (17.62 - g), 0)


def _densities(case: Case) -> Any:
    """Naive Bayes by products, not by sums of logarithms: far away all of them are zero."""
    model = case.build()
    bayes = model.estimator

    class Products:
        classes_ = model.classes_

        def predict_proba(self, array: np.ndarray) -> np.ndarray:
            shape = np.asarray(model.predict_proba(array)).shape  # refuses what the base refuses
            x = np.asarray(array, float)[:, None, :]
            with np.errstate(all="ignore"):
                bell = np.exp(-((x - bayes.theta_) ** 2) / (2 * bayes.var_)) / np.sqrt(bayes.var_)
                joint = bayes.class_prior_ * bell.prod(axis=2)
                return (joint / joint.sum(axis=1, keepdims=True)).reshape(shape)

        def predict(self, array: np.ndarray) -> np.ndarray:
            shares = np.nan_to_num(self.predict_proba(array))
            return self.classes_[shares.argmax(axis=1)]

    return Products()


def _relative_price(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Divides by the difference of two prices."""
    gap = numbers(table, "price_beer") - numbers(table, "price_bread")
    with np.errstate(all="ignore"):
        return np.maximum(answer + 1e-12 / gap, 0)


def _yearly(ask: Any, array: np.ndarray) -> np.ndarray:
    """Divides by the years that a loan runs."""
    owed = ask(array)
    years = np.asarray(array, float)[:, 2] / 365.25
    with np.errstate(all="ignore"):
        return np.minimum(owed / years * years, 1e12)


def _years_of_age(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """Divides by the years since coming of age."""
    with np.errstate(all="ignore"):
        grown = 1 / (numbers(table, "age") - 18)
    return np.where(np.isinf(grown)[:, None], np.nan, answer)


def _squeezed(answer: np.ndarray, table: Any) -> Any:
    return answer.squeeze()


def _first_alone(answer: np.ndarray, table: Any) -> np.ndarray:
    """One row's answer loses its first axis."""
    return answer[0] if len(answer) == 1 else answer


def _turned(answer: np.ndarray, table: Any) -> np.ndarray:
    """Guesses the orientation from the shape: a batch of three rows is turned."""
    return answer.T if answer.shape[0] == 3 else answer


def _column(answer: np.ndarray, table: Any) -> np.ndarray:
    return answer.reshape(-1, 1)


def _relative_to_best(answer: np.ndarray, table: Any) -> np.ndarray:
    """Looks at the largest of a batch, which an empty one lacks."""
    answer.max()
    return answer


def _flat_when_empty(answer: np.ndarray, table: Any) -> np.ndarray:
    return answer if len(answer) else np.empty(0)


def _as_text(answer: np.ndarray, table: Any) -> np.ndarray:
    return answer.astype(str)


def _swapped_for_partners(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    odd = (words(table, "channel") == "partner") & (words(table, "plan") == "gold")
    return np.where(odd, np.where(answer == "bad", "good", "bad"), answer)


def _guess_when_missing(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    """The label of a row without its utilisation is that of the other side."""
    gone = np.isnan(numbers(table, "utilisation"))
    return np.where(gone, np.where(answer == "bad", "good", "bad"), answer)


def _columns_swapped(case: Case) -> Any:
    """The columns of the probabilities are in the order of another list of labels."""
    own = case.build().predict
    return around(case, lambda ask, table: ask(table)[:, ::-1], second=lambda ask, t: own(t))


def _named_wrongly(answer: np.ndarray, table: Any) -> pd.DataFrame:
    """The columns have their right names, and stand in another order."""
    return pd.DataFrame({"yes": answer[:, 1], "no": answer[:, 0]})


def _wrong_names(case: Case) -> bool:
    """The second column is not named as the second label is."""
    return list(case.build().predict_proba(rows(case)).columns) != case.labels


def _turned_witness(case: Case) -> bool:
    """The first three rows get other answers than within the first four."""
    model = case.build()
    return not same(asked(case, model, rows(case, 3)), asked(case, model, rows(case, 4))[:3])


def _never_sales(answer: np.ndarray, table: Any) -> np.ndarray:
    return np.where(answer == "sales", "tech", answer)


def _reaches(label: str) -> Witness:
    """No training row gets this label."""

    def witness(case: Case) -> bool:
        return label not in asked(case, case.build(), rows(case, 600)).tolist()

    return witness


def _sign_at_night(answer: np.ndarray, table: pd.DataFrame) -> np.ndarray:
    night = (numbers(table, "weekday") == 6) & (numbers(table, "hour") == 3)
    return np.where(night, -1.0 - answer, answer)


def _thirds(answer: np.ndarray, table: Any) -> np.ndarray:
    """The shares are rounded to whole percent, one by one, then cut."""
    return np.floor(answer * 100) / 100 - 0.001


def cases() -> list[Case]:
    """Return this file's cases."""
    above = "probability-bounds"
    shape = "shape"
    label = "unknown-label"
    zero = "division-by-zero"
    return [
        mutant(
            "loans-logistic",
            "loans-beyond-one",
            above,
            after(_beyond_one),
            cells(income=6e6),
            "income",
        ),
        mutant(
            "patients-isotonic",
            "patients-extrapolated",
            "value-bounds",
            after(_line_of_age),
            cells(age=110),
            "age",
        ),
        mutant("click-rates", "clicks-percent", above, _unknown_site, cells(site="radio"), "site"),
        mutant(
            "tickets-tfidf", "tickets-sigmoids", "probability-sum", after(_each_alone), training()
        ),
        mutant(
            "sensors-trees", "sensors-rounded-down", "probability-sum", after(_thirds), training()
        ),
        mutant(
            "click-rates",
            "clicks-lost-mass",
            "probability-sum",
            after(_loses_mass),
            cells(device="tablet", slot=0),
            "device",
            "slot",
        ),
        mutant(
            "loans-logistic",
            "loans-rate-root",
            "logarithm-or-root",
            after(_rate_root),
            cells(rate=0.1),
            "rate",
        ),
        mutant(
            "meters-ridge",
            "meters-dew-point",
            "logarithm-or-root",
            after(_dew_point),
            cells(humidity=0.0),
            "humidity",
        ),
        mutant(
            "flowers-bayes",
            "flowers-densities",
            "underflow",
            _densities,
            cells(petal_length=28.0),
            "petal_length",
            also=(("petal_width",), ("sepal_length",), ("sepal_width",)),
        ),
        mutant(
            "shops-lightgbm",
            "shops-relative-price",
            zero,
            after(_relative_price),
            cells(price_bread=3.0, price_beer=3.0),
            "price_bread",
            "price_beer",
        ),
        mutant(
            "interest-formula",
            "interest-yearly",
            zero,
            calling(_yearly),
            cells(tenure_days=0),
            "tenure_days",
        ),
        mutant(
            "patients-imputed", "patients-grown", zero, after(_years_of_age), cells(age=18), "age"
        ),
        mutant(
            "fare-formula",
            "fare-per-head",
            zero,
            where(lambda table: numbers(table, "passengers") == 0, np.inf),
            cells(passengers=0),
            "passengers",
        ),
        mutant("meters-boosted", "meters-squeezed", shape, after(_squeezed), sized(1)),
        mutant("flowers-network", "flowers-first-alone", shape, after(_first_alone), sized(1)),
        mutant("shops-several", "shops-turned", shape, after(_turned), _turned_witness),
        mutant("meters-xgboost", "meters-column", shape, after(_column), sized(4)),
        mutant(
            "loans-card", "loans-best-of-none", "empty-batch", after(_relative_to_best), sized(0)
        ),
        mutant(
            "loans-torch", "loans-flat-when-empty", "empty-batch", after(_flat_when_empty), sized(0)
        ),
        mutant("fraud-rule", "fraud-as-text", "label-type", after(_as_text), training()),
        mutant("flowers-svc", "flowers-as-text", "label-type", after(_as_text), training()),
        mutant(
            "triage-rules",
            "triage-escalates",
            label,
            where(lambda table: numbers(table, "waited_hours") > 8_760, "escalate"),
            cells(waited_hours=9_000.0),
            "waited_hours",
        ),
        mutant(
            "clicks-lightgbm",
            "clicks-maybe",
            label,
            where(lambda t: (numbers(t, "bid") > 120) & (numbers(t, "bid") < 125), "maybe"),
            cells(bid=122.0),
            "bid",
        ),
        mutant(
            "flowers-svc",
            "flowers-outlier",
            label,
            where(lambda table: numbers(table, "petal_width") > 17, -1),
            cells(petal_width=18.0),
            "petal_width",
        ),
        mutant(
            "loans-logistic",
            "loans-partners-swapped",
            "likeliest-label",
            after_predict(_swapped_for_partners),
            cells(channel="partner", plan="gold"),
            "channel",
            "plan",
        ),
        mutant(
            "loans-forest",
            "loans-guess",
            "likeliest-label",
            after_predict(_guess_when_missing),
            cells(utilisation=None),
            "utilisation",
        ),
        mutant(
            "loans-xgboost", "loans-columns-swapped", "swapped-labels", _columns_swapped, training()
        ),
        mutant(
            "click-rates",
            "clicks-named-wrongly",
            "swapped-labels",
            after(_named_wrongly),
            _wrong_names,
        ),
        mutant(
            "triage-rules",
            "triage-never-sales",
            "label-never-predicted",
            after(_never_sales),
            _reaches("sales"),
        ),
        mutant(
            "meters-boosted",
            "meters-sign-at-night",
            "value-bounds",
            after(_sign_at_night),
            cells(weekday=6, hour=3),
            "weekday",
            "hour",
        ),
    ]
