"""Healthy models of onnxruntime and torch: arrays of float32 inside."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.contract.corpus import Case
from benchmarks.contract.doors import read
from benchmarks.contract.shapes import Classifier, Labeller, Matrix, Regressor
from benchmarks.contract.tables import FLOWERS, LOANS, METERS, SENSORS, SHOPS

FEW_METERS = METERS.only("temperature", "wind", "hour", "area")


class Session:
    """An ONNX graph that takes float32 of shape (n, features)."""

    def __init__(self, estimator: Any, width: int, **options: Any) -> None:
        import onnxruntime
        from skl2onnx import to_onnx

        graph = to_onnx(estimator, np.zeros((1, width), np.float32), options=options or None)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            graph.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )

    def run(self, features: np.ndarray) -> list[np.ndarray]:
        return self.session.run(None, {"X": features.astype(np.float32)})

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.run(features)[0].reshape(len(features))

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        return self.run(features)[1]


def _small(table: Any, estimator: Any) -> tuple[Matrix, Any]:
    features = Matrix(table)
    held = features(read(table.schema, table.inputs())).astype(np.float32)
    return features, estimator.fit(held, table.rows()[table.target])


def flowers_onnx() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, line = _small(FLOWERS, make_pipeline(StandardScaler(), LogisticRegression()))
    session = Session(line, 4, zipmap=False)
    return Classifier(FLOWERS, features, session, labels=[0, 1, 2])


def meters_onnx() -> Any:
    from sklearn.ensemble import GradientBoostingRegressor

    trees = GradientBoostingRegressor(n_estimators=15, random_state=0)
    features, trees = _small(FEW_METERS, trees)
    return Regressor(FEW_METERS, features, Session(trees, 4), low=0)


def sensors_onnx() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    forest = RandomForestClassifier(8, max_depth=5, random_state=0, n_jobs=1)
    features, forest = _small(SENSORS, forest)
    session = Session(forest, 60, zipmap=False)
    return Labeller(SENSORS, features, session, labels=[0, 1, 2])


class Torch:
    """A module of torch; its numbers are scaled by what the training rows were."""

    def __init__(self, module: Any, held: np.ndarray) -> None:
        self.module = module
        self.mean, self.scale = held.mean(axis=0), held.std(axis=0) + 1e-9

    def scaled(self, features: np.ndarray) -> Any:
        import torch

        return torch.from_numpy(((features - self.mean) / self.scale).astype(np.float32))

    def answer(self, features: np.ndarray) -> np.ndarray:
        import torch

        with torch.inference_mode():
            return self.module(self.scaled(features)).numpy().astype(np.float64)

    def predict(self, features: np.ndarray) -> np.ndarray:
        return self.answer(features)[:, 0]

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        scores = self.answer(features)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def _trained(table: Any, layers: Any, loss: Any, target: Any) -> tuple[Matrix, Torch]:
    import torch

    features = Matrix(table)
    model = Torch(layers, features(read(table.schema, table.inputs())))
    inputs = model.scaled(features(read(table.schema, table.inputs())))
    steps = torch.optim.Adam(layers.parameters(), lr=0.03)
    for _ in range(60):
        steps.zero_grad()
        loss(layers(inputs), target).backward()
        steps.step()
    layers.eval()
    return features, model


def loans_torch() -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    width = Matrix(LOANS)(read(LOANS.schema, LOANS.inputs())).shape[1]
    layers = nn.Sequential(nn.Linear(width, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 2))
    good = torch.tensor((LOANS.rows()["outcome"] == "good").to_numpy().astype(np.int64))
    parts = _trained(LOANS, layers, nn.CrossEntropyLoss(), good)
    return Classifier(LOANS, *parts, labels=["bad", "good"])


def flowers_torchscript() -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(1)
    layers = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    kinds = torch.tensor(FLOWERS.rows()["species"].to_numpy())
    features, model = _trained(FLOWERS, layers, nn.CrossEntropyLoss(), kinds)
    model.module = torch.jit.trace(layers, torch.zeros(2, 4))
    return Classifier(FLOWERS, features, model, labels=[0, 1, 2])


def shops_torch() -> Any:
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(2)
    layers = nn.Sequential(nn.Linear(len(SHOPS.columns), 8), nn.ReLU(), nn.Linear(8, 1))
    sold = torch.tensor(SHOPS.rows()[["sold"]].to_numpy(np.float32))
    return Regressor(SHOPS, *_trained(SHOPS, layers, nn.MSELoss(), sold), low=0)


def cases() -> list[Case]:
    """Return this file's cases."""
    kinds = {"kind": "probabilities", "labels": [0, 1, 2]}
    return [
        Case(name="flowers-onnx", build=flowers_onnx, table=FLOWERS, outputs=kinds, input="numpy"),
        Case(
            name="meters-onnx",
            build=meters_onnx,
            table=FEW_METERS,
            outputs={"kind": "regression", "minimum": 0},
            input="numpy",
        ),
        Case(
            name="sensors-onnx",
            build=sensors_onnx,
            table=SENSORS,
            outputs={"kind": "labels", "labels": [0, 1, 2]},
            input="numpy",
        ),
        Case(
            name="loans-torch",
            build=loans_torch,
            table=LOANS,
            outputs={"kind": "probabilities", "labels": ["bad", "good"]},
        ),
        Case(
            name="flowers-torchscript",
            build=flowers_torchscript,
            table=FLOWERS,
            outputs=kinds,
            input="numpy",
        ),
        Case(
            name="shops-torch",
            build=shops_torch,
            table=SHOPS,
            outputs={"kind": "regression", "minimum": 0},
        ),
    ]
