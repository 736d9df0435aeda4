"""A torch module as a model that takes arrays."""

from __future__ import annotations

import importlib
from typing import Any


class TorchModel:
    """A torch module in evaluation mode, without gradients, on the CPU.

    It gets one tensor of shape (rows, columns), of the type of its own first floating parameter
    (float32 where it has none). An answer of shape (rows, 1) is one value a row. It refuses rows by
    RuntimeError, and an exported program's guards by AssertionError.
    """

    input_kind = "numpy"

    def __init__(self, module: Any) -> None:
        """Take a module; what it holds moves to the CPU."""
        torch = importlib.import_module("torch")
        self.refusals: tuple[str, ...] = ("RuntimeError",)
        try:
            self.module = module.eval()
        except NotImplementedError:  # an exported program has no modes
            self.module = module
            self.refusals = ("AssertionError", "RuntimeError")
        floating = (p.dtype for p in module.parameters() if p.dtype.is_floating_point)
        self.dtype = next(floating, torch.float32)

    def __call__(self, rows: Any) -> Any:
        """Return what the module makes of *rows*; raises ValueError for cells that are no numbers.

        Other than an array comes from modules that give several tensors: a list of arrays.
        """
        np = importlib.import_module("numpy")
        torch = importlib.import_module("torch")
        held = torch.from_numpy(np.array(rows, dtype=np.float64)).to(self.dtype)
        with torch.no_grad():
            answer = self.module(held)
        if isinstance(answer, tuple) and len(answer) == 1:
            answer = answer[0]
        if not isinstance(answer, torch.Tensor):
            return answer
        whole = answer.ndim == 2 and answer.shape[1] == 1
        return answer[:, 0] if whole else answer
