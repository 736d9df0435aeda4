"""conda, projects, locks and what is installed: what each says, and what is left of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from harness.cli.adopt import adopt
from harness.core.errors import SpecInvalid
from harness.flows import adopt as flow
from harness.lock import adopt_conda, adopt_installed, adopt_poetry
from harness.lock.adopt import Found, adopted
from harness.spec import parse


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("numpy", "numpy", ""),
        ("numpy=1.26", "numpy", "==1.26.*"),
        ("numpy==1.26.4", "numpy", "==1.26.4"),
        ("numpy 1.26.4", "numpy", "==1.26.4"),
        ("numpy=1.26.4=py311_0", "numpy", "==1.26.4"),
        ("numpy 1.26.* py311_0", "numpy", "==1.26.*"),
        ("conda-forge::numpy>=1.2,<2", "numpy", "<2,>=1.2"),
        ("numpy[version='>=1.2', build=x*]", "numpy", ">=1.2"),
        ("numpy 1.2|1.3", "numpy", None),
        ("NumPy >=1.2.*", "numpy", ">=1.2"),
    ],
)
def test_a_match_specification_means_what_conda_says(
    text: str, name: str, version: str | None
) -> None:
    match = adopt_conda.parse(text, "here")

    assert (name, version) == (match.name, match.version)


def test_a_conda_environment_becomes_python_os_and_pins(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    path = tmp_path / "environment.yml"
    path.write_text(
        "name: x\ndependencies:\n- python=3.11.5\n- pytorch=2.1.0=py311_0\n- libgomp\n"
        "- pytorch-cuda=11.8\n- r-base\n- numpy 1.2|1.3\n- pip:\n  - shap==0.44.0\n  - -e .\n"
    )

    found = adopt_conda.read(path)

    assert "3.11" == adopted(found, name="x").python
    assert ("torch==2.1.0", "numpy", "shap==0.44.0") == found.requirements
    assert {"torch": "2.1.0", "shap": "0.44.0"} == dict(found.pins)
    assert ("libgomp1",) == found.os
    assert ["pytorch-cuda=11.8", "r-base", "numpy 1.2|1.3", "-e ."] == [x.what for x in found.left]


@pytest.mark.parametrize(
    "text", ["- a", "dependencies: 3", "dependencies: [[a]]", "a: [", "dependencies: ['%']"]
)
def test_a_broken_conda_file_is_one_clear_error(text: str, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "e.yml").write_text(text)

    with pytest.raises(SpecInvalid):
        adopt_conda.read(tmp_path / "e.yml")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^1.2.3", ["1.2.3", "1.9"], ["1.2.2", "2.0"]),
        ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0"]),
        ("^0.0.3", ["0.0.3"], ["0.0.4"]),
        ("^0", ["0.9"], ["1.0"]),
        ("~1.2.3", ["1.2.9"], ["1.3.0"]),
        ("~1", ["1.9"], ["2.0"]),
        ("1.2.*", ["1.2.7"], ["1.3"]),
        ("1.2", ["1.2"], ["1.2.1"]),
        (">=1.0 <2.0", ["1.5"], ["2.0"]),
        ("*", ["0.1"], []),
    ],
)
def test_poetrys_ranges_hold_what_poetry_says(
    text: str, inside: list[str], outside: list[str]
) -> None:
    specifiers = SpecifierSet(adopt_poetry.specifier(text, "here"))

    assert all(specifiers.contains(version) for version in inside)
    assert not any(specifiers.contains(version) for version in outside)


@pytest.mark.parametrize("text", ["^x", "1.0 || 2.0", "nonsense", "^"])
def test_a_poetry_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SpecInvalid):
        adopt_poetry.specifier(text, "here")


def test_a_project_gives_requirements_and_the_lock_beside_it_pins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname="p"\nrequires-python=">=3.12"\ndependencies=["pandas>=2"]\n'
        '[project.optional-dependencies]\nplots=["seaborn"]\n'
        '[dependency-groups]\nall=[{include-group="more"}, "rich"]\nmore=["attrs"]\n'
    )
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname="p"\nversion="0"\nsource={virtual="."}\n'
        '[[package]]\nname="numpy"\nversion="1.26.4"\n'
        '[[package]]\nname="six"\nversion="1"\n[[package]]\nname="six"\nversion="2"\n'
    )

    found = flow.read(tmp_path, chosen=["all"])
    result = adopted(found, name="p")

    assert ("attrs", "pandas>=2", "rich") == result.requirements
    assert {"numpy": "1.26.4"} == dict(result.pins)
    assert ("3.13", "trixie") == (result.python, result.suite)
    assert ["optional dependencies plots (1)", "group more (1)", "six"] == [
        one.what for one in result.left
    ]


def test_a_poetry_project_says_what_it_can_not_carry(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython="^3.11"\npandas={version="^2.0",extras=["test"]}\n'
        'mine={path="../mine"}\nold=[{version="<2",python="<3.8"},{version=">=2",python=">=3.8"}]\n'
    )

    result = adopted(flow.read(tmp_path / "pyproject.toml"), name="p")

    assert ("old>=2", "pandas[test]<3,>=2.0") == result.requirements
    assert "mine = ../mine" == result.left[0].what


def test_a_lock_alone_asks_for_what_nothing_in_it_needs(tmp_path: Path) -> None:
    (tmp_path / "pylock.toml").write_text(
        'lock-version="1.0"\n[[packages]]\nname="pandas"\nversion="2.0"\n'
        'dependencies=[{name="numpy"}]\n[[packages]]\nname="numpy"\nversion="1.26"\n'
    )

    found = flow.read(tmp_path / "pylock.toml")

    assert ("pandas==2.0",) == found.requirements
    assert {"numpy": "1.26", "pandas": "2.0"} == dict(found.pins)


def test_a_pipfile_lock_pins(tmp_path: Path) -> None:
    (tmp_path / "Pipfile").write_text('[packages]\npandas="*"\n[requires]\npython_version="3.11"\n')
    (tmp_path / "Pipfile.lock").write_text(json.dumps({"default": {"numpy": {"version": "==1.2"}}}))

    found = flow.read(tmp_path)

    assert (("pandas",), {"numpy": "1.2"}) == (found.requirements, dict(found.pins))


@pytest.mark.parametrize(
    ("wanted", "python", "noted"),
    [("", "3.11", False), ("3.11", "3.11", False), ("3.13.*", "3.13", False),
     (">=3.12", "3.13", False), (">=3.11.4", "3.11", False), ("3.9", "3.11", True),
     ("3.12", "3.13", True), ("3.14", "3.13", True)],
)  # fmt: skip
def test_python_chooses_the_suite(wanted: str, python: str, noted: bool) -> None:
    result = adopted(Found(python=wanted), name="p")

    assert (python, noted) == (result.python, bool(result.left))


def test_what_no_other_needs_is_top_level_and_an_editable_projects_needs_are() -> None:
    found = adopt_installed.found(
        [
            ("Pandas", "2.2.1", ["numpy>=1", "lxml; extra == 'xml'"], None),
            ("numpy", "1.26.4", [], None),
            ("lxml", "5.1", [], None),
            ("a", "1.0", ["b"], None),
            ("b", "1.0", ["a"], None),
            ("pip", "24.0", [], None),
            ("mine", "0.1", ["scipy"], '{"url":"file:///x","dir_info":{"editable":true}}'),
            ("scipy", "1.11.0", [], None),
        ],
        python="3.11.2",
    )

    assert ("a~=1.0", "lxml~=5.1", "pandas~=2.2", "scipy~=1.11") == found.requirements
    assert "1.26.4" == found.pins["numpy"]
    assert ["mine"] == [one.what for one in found.left]


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_from_the_top_level_everything_installed_is_reached(edges: dict[str, set[str]]) -> None:
    needs = {
        n: edges.get(n, set()) for n in sorted({*edges, *(x for s in edges.values() for x in s)})
    }
    found = adopt_installed.found(
        [(n, "1.0", sorted(s), None) for n, s in needs.items()], python="3.11.2"
    )

    reached = {text.split("~")[0] for text in found.requirements}
    for _ in needs:
        reached |= {x for n in reached for x in needs[n]}

    assert set(needs) == reached


def test_this_interpreter_tells_what_is_installed() -> None:
    found = adopt_installed.read(Path(sys.executable))

    assert "click" in found.pins


def test_the_command_writes_what_the_specification_reads_and_never_overwrites(
    tmp_path: Path,
) -> None:
    (tmp_path / "r.txt").write_text("pandas==2.0.3\n-e .\n")
    arguments = [str(tmp_path / "r.txt"), "--name", "one", "--to", str(tmp_path / "envs")]

    first = CliRunner().invoke(adopt, [*arguments, "--output", "json"])
    again = CliRunner().invoke(adopt, arguments)
    (tmp_path / "r.txt").write_text("pandas==2.0.2\n")
    before = (tmp_path / "envs/one/environment.toml").read_bytes()
    other = CliRunner().invoke(adopt, arguments)

    assert "harness.env-adopt/1" == json.loads(first.stdout)["schema"]
    assert ("pandas==2.0.3",) == parse.environment(tmp_path / "envs/one").requirements
    assert (0, 0, 2) == (first.exit_code, again.exit_code, other.exit_code)
    assert before == (tmp_path / "envs/one/environment.toml").read_bytes()
    assert '+requirements = ["pandas==2.0.2"]' in other.stdout


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("pandas\n")

    CliRunner().invoke(adopt, [str(tmp_path / "r.txt"), "--to", str(tmp_path / "e"), "--dry-run"])

    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("arguments", [[], ["r.txt", "--venv"], ["none.txt"]])
def test_wrong_usage_is_exit_2(arguments: list[str]) -> None:
    assert 2 == CliRunner().invoke(adopt, arguments).exit_code


def test_a_group_is_refused_where_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("pandas\n")

    with pytest.raises(SpecInvalid, match="no groups"):
        flow.read(tmp_path / "r.txt", chosen=["tests"])


def test_a_project_that_names_itself_means_its_extras(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname="P"\n[project.optional-dependencies]\n'
        'all=["p[plots]"]\nplots=["seaborn"]\n'
    )

    assert ("seaborn",) == flow.read(tmp_path, chosen=["all"]).requirements
