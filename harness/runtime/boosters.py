"""Boosters of xgboost and lightgbm as models that take frames and arrays.

A frame's columns are found by the names that the booster was trained with, an array's by position.
What they answer follows from the objective: one probability a row for a binary one, a row of them
for several classes, labels for ``multi:softmax`` and ``binary:hinge``, else numbers.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

_PROBABLE = ("binary:logistic", "multi:softprob", "binary", "multiclass", "multiclassova")
_LABELLED = ("multi:softmax", "binary:hinge")


class _Booster:
    """What both share: *labels* are the codes 0 to k-1 of the classes, *kind* what is answered."""

    def __init__(
        self, booster: Any, objective: str, *, classes: int, width: int, names: list[str] | None
    ) -> None:
        self.booster = booster
        self.feature_names = names
        self.width = width
        self.input_kind = "pandas" if names else "numpy"
        self.output_kind = ""
        self._many = classes if classes > 1 else 0
        if objective in _PROBABLE:
            self.output_kind = "probabilities"
            self.classes_ = list(range(max(classes, 2)))
            self.predict_proba = self._answer
        elif objective in _LABELLED:
            self.output_kind = "labels"
            self.classes_ = list(range(max(classes, 2)))
            self.predict = self._labels
        else:
            self.output_kind = "regression" if objective else ""
            self.predict = self._answer

    def _answer(self, rows: Any) -> Any:
        np = importlib.import_module("numpy")
        held = self._ordered(rows.to_pandas() if hasattr(rows, "to_pandas") else rows)
        if not len(held):  # neither library takes an empty batch
            return np.empty((0, self._many) if self._many else (0,))
        return self._ask(held)

    def _labels(self, rows: Any) -> Any:
        return self._answer(rows).astype(int)

    def _ask(self, rows: Any) -> Any:
        raise NotImplementedError

    def _ordered(self, rows: Any) -> Any:
        if not hasattr(rows, "columns"):
            return importlib.import_module("numpy").asarray(rows, dtype=float)
        if self.feature_names is None:
            return rows
        absent = [name for name in self.feature_names if name not in rows.columns]
        if absent:
            raise KeyError(f"no column {', '.join(map(repr, absent))}")
        return rows[self.feature_names]


class XgboostModel(_Booster):
    """An xgboost Booster. Text in a column that it knows as categorical becomes a category."""

    refusals = ()  # its own error is a ValueError

    def __init__(self, booster: Any) -> None:
        """Take a trained or loaded booster."""
        learner = json.loads(booster.save_config())["learner"]
        classes = int(learner["learner_model_param"].get("num_class") or 0)
        targets = int(learner["learner_model_param"].get("num_target") or 1)
        names = list(booster.feature_names) if booster.feature_names else None
        objective = learner["objective"]["name"]
        width = int(booster.num_features())
        super().__init__(booster, objective, classes=classes, width=width, names=names)
        self._many = self._many or (targets if targets > 1 else 0)
        if objective in _LABELLED:
            self._many = 0

    def _ask(self, rows: Any) -> Any:
        xgboost = importlib.import_module("xgboost")
        if hasattr(rows, "columns"):
            rows = self._as_categories(rows)
            matrix = xgboost.DMatrix(rows, enable_categorical=True)
        else:
            matrix = xgboost.DMatrix(rows, feature_names=self.feature_names)
        return self.booster.predict(matrix)

    def _as_categories(self, rows: Any) -> Any:
        types = self.booster.feature_types or []
        chosen = [
            name
            for name, kind in zip(self.feature_names or [], types, strict=False)
            if kind == "c" and str(rows[name].dtype) in ("object", "str", "string")
        ]
        return rows.astype(dict.fromkeys(chosen, "category")) if chosen else rows


class LightgbmModel(_Booster):
    """A lightgbm Booster. Text becomes a category where it was trained with categories."""

    refusals = ("LightGBMError",)

    def __init__(self, booster: Any) -> None:
        """Take a trained or loaded booster."""
        head = booster.model_to_string(num_iteration=1).partition("\nTree=")[0]
        said = dict(line.split("=", 1) for line in head.splitlines() if "=" in line)
        objective = said.get("objective", "").partition(" ")[0]
        classes = int(said.get("num_class", "1"))
        names = list(booster.feature_name())
        made_up = [f"Column_{place}" for place in range(len(names))]
        super().__init__(
            booster,
            objective,
            classes=classes,
            width=len(names),
            names=None if names == made_up else names,
        )

    def _ordered(self, rows: Any) -> Any:
        if self.feature_names and hasattr(rows, "columns"):
            # lightgbm writes "_" for a space in a name
            known = {str(name).replace(" ", "_"): name for name in rows.columns}
            absent = [name for name in self.feature_names if name not in known]
            if absent:
                raise KeyError(f"no column {', '.join(map(repr, absent))}")
            rows = rows[[known[name] for name in self.feature_names]]
            texts = [c for c in rows.columns if str(rows[c].dtype) in ("object", "str", "string")]
            if texts and getattr(self.booster, "pandas_categorical", None):
                rows = rows.astype(dict.fromkeys(texts, "category"))
            return rows
        return super()._ordered(rows)

    def _ask(self, rows: Any) -> Any:
        return self.booster.predict(rows)
