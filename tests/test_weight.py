"""What an installation weighs, and what an import loads."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_PACKAGES = 16
HEAVY = ("hypothesis", "pandas", "pyarrow", "pydantic", "scipy", "sklearn", "docker", "jinja2")
CORE = {"click", "hypothesis", "numpy", "packaging", "pydantic", "pytest"}


def loaded_by(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter holds after *code*."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("module", ["harness.contract", "harness.contract.plugin"])
def test_importing_the_contract_loads_nothing_heavy(module: str):
    assert set() == loaded_by(f"import {module}") & set(HEAVY)


def test_the_plugin_costs_every_pytest_run_of_its_user_no_numpy():
    assert "numpy" not in loaded_by("import harness.contract.plugin")


def test_importing_harness_loads_nothing_at_all():
    ours = {name for name in loaded_by("import harness") if name.startswith("harness")}

    assert {"harness"} == ours


def test_sessions_import_nox_and_the_standard_library_only():
    before = loaded_by("import nox")

    new = {name.partition(".")[0] for name in loaded_by("import harness.sessions") - before}

    assert {"harness"} == new - set(sys.stdlib_module_names)


@pytest.mark.network
def test_the_core_installs_at_most_sixteen_packages(tmp_path: Path):
    """Resolves against the machine's own index, as a user's installation would."""
    report = tmp_path / "report.json"

    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
    done = subprocess.run(
        [*pip, "--report", str(report), str(ROOT)], capture_output=True, text=True
    )

    assert 0 == done.returncode, done.stderr

    installed = json.loads(report.read_text())["install"]
    names = sorted(package["metadata"]["name"].lower() for package in installed)
    assert len(names) <= MOST_PACKAGES, names
    assert {*CORE, "model-harness"} <= set(names)


@pytest.mark.network
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", tmp_path, ROOT],
        capture_output=True,
        text=True,
    )
    assert 0 == done.returncode, done.stderr
    (wheel,) = tmp_path.glob("model_harness-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}

    ours = {
        file.relative_to(ROOT).as_posix()
        for kind in ("*.py", "*.html", "*.json", "*.md", "py.typed")
        for file in (ROOT / "harness").rglob(kind)
        if not any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)
    }
    assert ours == shipped
