"""An MLflow python_function as a model that takes frames."""

from __future__ import annotations

from typing import Any

_PROBABLE = ("probabilities", "probability", "output_probability")
_REFUSALS = {
    "lightgbm": "LightGBMError",
    "catboost": "CatBoostError",
    "onnx": "InvalidArgument",
    "pytorch": "RuntimeError",
    "h2o": "H2OResponseError",
}


class PyfuncModel:
    """A loaded pyfunc: called with a DataFrame, it gives what its flavour predicts.

    Of several outputs by name (an ONNX graph's) the probabilities are taken, else the first. A
    flavour's own library refuses rows by errors of its own, and MLflow itself by MlflowException.
    """

    input_kind = "pandas"

    def __init__(self, model: Any) -> None:
        """Take a loaded pyfunc."""
        self.model = model
        flavours = getattr(getattr(model, "metadata", None), "flavors", None) or {}
        known = [error for name, error in _REFUSALS.items() if name in flavours]
        self.refusals = ("MlflowException", *known)

    def __call__(self, rows: Any) -> Any:
        """Return the predictions."""
        answer = self.model.predict(rows)
        if not isinstance(answer, dict) or len(answer) < 2:
            return answer
        name = next((name for name in answer if str(name).lower() in _PROBABLE), None)
        return answer[name] if name is not None else next(iter(answer.values()))
