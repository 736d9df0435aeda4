"""The run as one HTML page: opens offline, prints well, loads nothing."""

from __future__ import annotations

import importlib
from importlib.resources import files
from typing import Any

from harness.core.errors import ToolMissing
from harness.report.view import Run


def render(run: Run) -> str:
    """Return the page; raises ToolMissing without Jinja2 (extra ``promote``)."""
    try:
        jinja2: Any = importlib.import_module("jinja2")
    except ImportError as missing:
        raise ToolMissing(
            "the report needs Jinja2", hint='pip install "model-harness[promote]"'
        ) from missing
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    source = files("harness.report").joinpath("templates/run.html").read_text(encoding="utf-8")
    return str(environment.from_string(source).render(run=run, body=run.body()))
