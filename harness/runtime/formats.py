"""Files that hold a model, known by what is in them, and each opened by its own library.

``joblib`` and pickle files, MLflow folders, ONNX, xgboost (JSON, UBJSON), lightgbm (text), torch.
Only ONNX, xgboost's and lightgbm's own formats hold data alone. A pickle runs what its author put
into it, and so may a torch file: TorchScript is a program too, whose ``torch.save`` writes files.
"""

from __future__ import annotations

import importlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or __package__:
    from harness.runtime.boosters import LightgbmModel, XgboostModel
    from harness.runtime.mlflow_model import PyfuncModel
    from harness.runtime.onnx_model import OnnxModel
    from harness.runtime.torch_model import TorchModel
else:
    from boosters import LightgbmModel, XgboostModel
    from mlflow_model import PyfuncModel
    from onnx_model import OnnxModel
    from torch_model import TorchModel

PICKLES = (".joblib", ".pkl", ".pickle")
_TORCH = (".pt", ".pth", ".pt2", ".torchscript")
_HEAD = 4096
_DATA_ALONE = ("onnx", "xgboost", "lightgbm")
_LOADERS = ("mlflow.xgboost", "mlflow.lightgbm", "mlflow.onnx")


class Unloadable(Exception):
    """The model can't be made from its settings; the message says what to change."""


def format_of(path: Path) -> str:
    """Return what kind of model *path* holds: ``pickle``, ``mlflow``, ``onnx``, ``xgboost``,
    ``lightgbm``, ``torchscript``, ``torch``, or nothing when none is recognised."""
    if path.is_dir():
        return "mlflow" if (path / "MLmodel").is_file() else ""
    suffix = path.suffix.lower()
    if suffix in PICKLES:
        return "pickle"
    if suffix == ".onnx":
        return "onnx"
    if suffix in _TORCH:
        return "torchscript" if _is_torchscript(path) else "torch"
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith((b"tree\n", b"tree\r\n")):
        return "lightgbm"
    # JSON text, or UBJSON: "{", a key's length as "L" and 8 bytes (or "i" and 1), the key.
    if head.startswith(b"{") and b"learner" in head[:64]:
        return "xgboost"
    return ""


def runs_code(path: Path) -> bool:
    """Return whether loading *path* may run code that its author put into it.

    An MLflow folder is data alone when its flavour loads one of the formats that are, brings no
    code of its own, and holds no file of another kind that looks like a model.
    """
    kind = format_of(path)
    if kind == "mlflow":
        return not _is_data(path)
    return kind not in _DATA_ALONE


def open_file(path: Path) -> Any:
    """Return the model in *path*.

    Raises Unloadable for a file of no known kind, or whose library the environment lacks;
    otherwise whatever the library raises.
    """
    match format_of(path):
        case "pickle":
            return _unpickle(path)
        case "mlflow":
            os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # a check tells nobody
            needed = "mlflow (mlflow-skinny will do)"
            return PyfuncModel(_needed("mlflow.pyfunc", path, needed).load_model(str(path)))
        case "onnx":
            session = _needed("onnxruntime", path).InferenceSession
            return OnnxModel(session(str(path), providers=["CPUExecutionProvider"]), path)
        case "xgboost":
            booster = _needed("xgboost", path).Booster()
            booster.load_model(str(path))
            return XgboostModel(booster)
        case "lightgbm":
            return LightgbmModel(_needed("lightgbm", path).Booster(model_file=str(path)))
        case "torchscript" | "torch" as kind:
            return _torch(path, kind)
        case _:
            raise Unloadable(
                f"no way is known to load a {path.suffix or 'nameless'} file ({path.name}); "
                'say how: load = "module:function" under [model]'
            )


def usable(model: Any) -> Any:
    """Return *model*, wrapped when it is a library's own object that takes no frame or array: an
    xgboost or lightgbm Booster, an onnxruntime session, a torch module, an MLflow pyfunc."""
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(model).__mro__}
    if "xgboost.core.Booster" in names:
        return XgboostModel(model)
    if "lightgbm.basic.Booster" in names:
        return LightgbmModel(model)
    if "onnxruntime.capi.onnxruntime_inference_collection.InferenceSession" in names:
        return OnnxModel(model, None)
    if "mlflow.pyfunc.PyFuncModel" in names:
        return PyfuncModel(model)
    has_methods = any(hasattr(model, name) for name in ("predict", "predict_proba"))
    if "torch.nn.modules.module.Module" in names and not has_methods:
        return TorchModel(model)
    return model


def _is_torchscript(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def _is_data(folder: Path) -> bool:
    try:
        described = importlib.import_module("yaml").safe_load((folder / "MLmodel").read_bytes())
        flavours = described["flavors"]
        loaded = flavours["python_function"]
        name = loaded["loader_module"]
        own = flavours[name.rpartition(".")[2]]
        made = own.get("model_class") or f"{name.rpartition('.')[2]}."
        held = Path(folder, loaded["data"]).resolve()
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    except Exception as wrong:
        if type(wrong).__module__.partition(".")[0] == "yaml":
            return False
        raise
    if name not in _LOADERS or loaded.get("code") or own.get("code"):
        return False
    if not str(made).startswith(("xgboost.", "lightgbm.", "onnx.")):
        return False
    inside = held.is_relative_to(folder.resolve())
    files = [held] if held.is_file() else [p for p in held.rglob("*") if p.is_file()]
    known = [p for p in files if p.suffix not in (".yml", ".yaml")]
    return inside and bool(known) and all(format_of(p) in _DATA_ALONE for p in known)


def _needed(module: str, path: Path, called: str = "") -> Any:
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != library:
            raise
        raise Unloadable(
            f"{path.name} needs {called or library}, which this environment lacks: "
            f"pip install {library}"
        ) from None


def _torch(path: Path, kind: str) -> Any:
    torch = _needed("torch", path)
    if kind == "torchscript":
        return TorchModel(torch.jit.load(str(path), map_location="cpu"))
    if path.suffix.lower() == ".pt2":
        return TorchModel(torch.export.load(str(path)).module())
    loaded = torch.load(str(path), map_location="cpu", weights_only=False)
    if isinstance(loaded, dict):
        raise Unloadable(
            f"{path.name} holds weights and no model; "
            'say how to build it: load = "module:function" under [model]'
        )
    return usable(loaded)


def _unpickle(path: Path) -> Any:
    try:
        joblib = importlib.import_module("joblib")
    except ModuleNotFoundError:
        if path.suffix == ".joblib":
            raise Unloadable(
                f"{path.name} needs joblib, which this environment lacks: pip install joblib"
            ) from None
        with path.open("rb") as file:
            return pickle.load(file)
    return joblib.load(path)  # reads plain pickles too


def is_model_file(path: Path) -> bool:
    """Return whether *path* is a file of a kind that is known to hold a model."""
    try:
        return bool(format_of(path))
    except OSError:
        return False
