"""``environment.toml``."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import SpecInvalid, SpecMissing, UnknownEnvironment
from harness.spec import image_name, parse

TABULAR = {
    "name": '"tabular"',
    "version": "3",
    "python": '"3.11"',
    "base": '{ debian = "bookworm" }',
    "requirements": '["scikit-learn~=1.7", "pandas", "pyarrow"]',
    "os": '["libgomp1"]',
    "resolver": '"pip-tools"',
}


def write(folder: Path, **changes: str | None) -> Path:
    """Write tabular's specification with *changes* (None leaves a key out); return the folder."""
    lines = [f"{k.rstrip('_')} = {v}" for k, v in (TABULAR | changes).items() if v is not None]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.toml").write_text("\n".join(lines))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(SpecInvalid) as raised:
        parse.environment(folder)
    return raised.value.message


def test_the_design_s_environment_is_read(tmp_path: Path):
    found = parse.environment(write(tmp_path))

    assert "tabular:3" == found.reference
    assert ("3.11", "bookworm") == (found.python, found.suite)
    assert ("scikit-learn~=1.7", "pandas", "pyarrow") == found.requirements
    assert ("libgomp1",) == found.os
    assert "pip-tools" == found.resolver
    assert tmp_path / "pylock.3.toml" == found.lock_path


def test_what_may_be_left_out_has_a_default(tmp_path: Path):
    found = parse.environment(write(tmp_path, os=None, resolver=None, requirements="[]"))

    assert ((), (), "pip-tools") == (found.requirements, found.os, found.resolver)


def test_what_is_built_and_with_what_is_read_and_counts(tmp_path: Path):
    keys = {
        "build": '["Num2Words", "docopt"]',
        "build_requirements": '["setuptools < 81"]',
        "build_os": '["gcc"]',
    }

    found = parse.environment(write(tmp_path / "all", **keys))

    assert ("num2words", "docopt") == found.build
    assert ("setuptools<81",) == found.build_requirements
    assert ("gcc",) == found.build_os
    fewer = [parse.environment(write(tmp_path / key, **keys | {key: None})) for key in keys]
    assert 4 == len({found.digest, *(one.digest for one in fewer)})


def test_trixie_comes_with_its_own_python(tmp_path: Path):
    found = parse.environment(write(tmp_path, python='"3.13"', base='{ debian = "trixie" }'))

    assert ("3.13", "trixie") == (found.python, found.suite)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"requirments": "[]"}, 'requirments: unknown key, did you mean "requirements"?'),
        ({"colour": '"red"'}, "colour: unknown key; there are "),
        ({"name": None}, 'name: missing (like "tabular")'),
        ({"name": '"Tabular"'}, 'name: "Tabular" is no name'),
        ({"name": '"../x"'}, 'name: "../x" is no name'),
        ({"version": "0"}, "version: must be greater than or equal to 1, found 0"),
        ({"version": '"3"'}, 'version: expected a whole number, found "3"'),
        ({"version": "true"}, "version: expected a whole number, found true"),
        ({"python": "3.11"}, "python: expected a string, found 3.11"),
        ({"python": '"3.12"'}, 'python: "3.12" is not the base\'s: "bookworm" ships Python 3.11'),
        ({"base": '{ debian = "trixie" }'}, 'python: "3.11" is not the base\'s'),
        ({"base": '{ debian = "bokworm" }'}, 'base.debian: unknown suite "bokworm", did you mean'),
        ({"base": "{}"}, "base: name a Debian suite"),
        ({"base": '"bookworm"'}, 'base: expected a table, found "bookworm"'),
        ({"base": '{ debain = "bookworm" }'}, 'base.debain: unknown key, did you mean "debian"?'),
        ({"requirements": '["pandas ==> 3"]'}, 'requirements[0]: "pandas ==> 3" is no requirement'),
        ({"requirements": '["a", "-r x.txt"]'}, 'requirements[1]: "-r x.txt" is no requirement'),
        ({"requirements": '["a @ https://example.org/a.whl"]'}, "names files and hashes, never"),
        ({"requirements": '"pandas"'}, 'requirements: expected a list, found "pandas"'),
        ({"os": '["libgomp1=12.2"]'}, 'os[0]: "libgomp1=12.2" is no name of a Debian package'),
        ({"os": '["libgomp1", "libgomp1"]'}, "os: 'libgomp1' is listed twice"),
        (
            {"resolver": '"piptools"'},
            'resolver: expected "pip-tools" or "uv", found "piptools", did you',
        ),
    ],
)
def test_a_wrong_key_or_value_is_named_by_its_path(
    tmp_path: Path, changes: dict[str, str | None], line: str
):
    assert line in refusal(write(tmp_path, **changes))


def test_all_problems_are_reported_together_one_a_line(tmp_path: Path):
    message = refusal(write(tmp_path, version="0", os='["X"]', requirments="[]", python='"2.7"'))

    head, *lines = message.splitlines()
    assert f"{tmp_path / 'environment.toml'}: 4 problems" == head
    assert ["os[0]", "python", "requirments", "version"] == sorted(
        line.strip().partition(":")[0] for line in lines
    )


def test_a_missing_key_that_was_misspelt_is_reported_once(tmp_path: Path):
    message = refusal(write(tmp_path, requirements=None, requirments="[]"))

    assert message.endswith(
        'environment.toml: requirments: unknown key, did you mean "requirements"?'
    )


IMAGE = f'{{ image = "registry.example/team/python:3.11@sha256:{"0" * 64}" }}'


def test_an_image_of_others_is_a_base_and_brings_its_own_python(tmp_path: Path):
    found = parse.environment(write(tmp_path, base=IMAGE, python=None, os=None))

    assert ("", "") == (found.python, found.suite)
    assert found.image.startswith("registry.example/team/python:3.11@sha256:")
    other = parse.environment(write(tmp_path, base=IMAGE.replace("0@", "1@"), os=None))
    assert found.digest != other.digest


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"base": '{ image = "Debian@sha256:00" }'}, 'base.image: "Debian@sha256:00" is no image'),
        ({"base": '{ image = "oci:" }'}, 'base.image: "oci:" is not like "oci:../layout@sha256:'),
        ({"base": '{ debian = "bookworm", image = "r.example/x" }'}, "base: name a Debian suite"),
        ({"base": IMAGE, "os": '["libgomp1"]'}, "os: an image of others is not added to"),
        ({"base": IMAGE, "build": '["wget"]', "os": None}, "build: on an image of others nothing"),
        ({"base": IMAGE, "python": '"3"', "os": None}, 'python: "3" is not like "3.11"'),
        ({"python": None}, "python: missing"),
    ],
)
def test_what_contradicts_an_image_of_others_is_told(
    tmp_path: Path, changes: dict[str, str | None], line: str
):
    assert line in refusal(write(tmp_path, **changes))


@pytest.mark.parametrize(
    ("text", "host", "repository"),
    [
        ("localhost/team/python", "localhost", "team/python"),
        ("registry.example:5000/a/b/c:3.11-slim", "registry.example:5000", "a/b/c"),
    ],
)
def test_the_name_of_an_image_is_taken_apart(text: str, host: str, repository: str):
    found = image_name.named(f"{text}@sha256:{'0' * 64}")

    assert (host, repository) == (found.host, found.repository)
    assert f"sha256:{'0' * 64}" == found.digest


@pytest.mark.parametrize("text", ["python", "team/python:3"])
def test_no_registry_is_implied(text: str):
    with pytest.raises(ValueError, match="does not begin with the host of a registry"):
        image_name.named(f"{text}@sha256:{'0' * 64}")


def test_a_folder_without_a_specification_is_an_error(tmp_path: Path):
    with pytest.raises(SpecMissing, match=r"environment\.toml is not there"):
        parse.environment(tmp_path)


@given(st.permutations(sorted(TABULAR)), st.sampled_from(["", "# why\n", "\n\n"]))
def test_the_digest_knows_neither_order_nor_comments_nor_place(
    tmp_path_factory: pytest.TempPathFactory, order: list[str], between: str
):
    here, there = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("there")
    write(here)
    (there / "environment.toml").write_text(
        "".join(f"{key}   =   {TABULAR[key]}  # {key}\n{between}" for key in order)
    )

    assert parse.environment(here).digest == parse.environment(there).digest


@pytest.mark.parametrize(
    "change",
    [
        {"version": "4"},
        {"name": '"table"'},
        {"os": "[]"},
        {"requirements": '["scikit-learn~=1.8", "pandas", "pyarrow"]'},
        {"python": '"3.13"', "base": '{ debian = "trixie" }'},
    ],
)
def test_what_changes_the_installation_changes_the_digest(tmp_path: Path, change: dict[str, str]):
    before = parse.environment(write(tmp_path / "a"))
    after = parse.environment(write(tmp_path / "b", **change))

    assert before.digest != after.digest


def test_how_a_requirement_is_spaced_does_not_make_a_lock_stale(tmp_path: Path):
    spaced = '["pyarrow", "scikit-learn ~= 1.7", "pandas"]'

    before = parse.environment(write(tmp_path / "a"))
    after = parse.environment(write(tmp_path / "b", requirements=spaced))

    assert before.digest == after.digest


def test_an_environment_is_found_by_name_and_version(tmp_path: Path):
    write(tmp_path / "tabular")

    assert "tabular:3" == parse.find("tabular:3", tmp_path).reference
    assert "tabular:3" == parse.find("tabular", tmp_path).reference


def test_an_unknown_environment_lists_what_there_is_and_the_near_one(tmp_path: Path):
    write(tmp_path / "tabular")
    write(tmp_path / "boosting", name='"boosting"', version="1")

    with pytest.raises(UnknownEnvironment) as raised:
        parse.find("tabulr:3", tmp_path)

    assert f"no environment tabulr:3 in {tmp_path}; there are boosting:1, tabular:3" == str(
        raised.value
    )
    assert 'did you mean "tabular:3"?' == raised.value.hint


@pytest.mark.parametrize("reference", ["tabular:2", "tabular:4", "tabular:03", "tabular:latest"])
def test_only_the_specification_s_own_version_is_found(tmp_path: Path, reference: str):
    write(tmp_path / "tabular")

    with pytest.raises(UnknownEnvironment, match="tabular is at version 3") as raised:
        parse.find(reference, tmp_path)

    assert 'environment = "tabular:3"' == raised.value.hint


def test_a_source_that_is_empty_or_absent_says_so(tmp_path: Path):
    with pytest.raises(UnknownEnvironment) as empty:
        parse.find("tabular:3", tmp_path)
    with pytest.raises(UnknownEnvironment) as absent:
        parse.find("tabular:3", tmp_path / "envs")

    assert "it holds no environment" in empty.value.hint
    assert "that folder is not there" in absent.value.hint


def test_a_broken_neighbour_does_not_hide_what_was_asked_for(tmp_path: Path):
    write(tmp_path / "tabular")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "environment.toml").write_text("name = ")

    assert "tabular:3" == parse.find("tabular:3", tmp_path).reference
    with pytest.raises(UnknownEnvironment, match="broken:\\?, tabular:3"):
        parse.find("other:1", tmp_path)


def test_a_reference_never_leaves_the_source(tmp_path: Path):
    write(tmp_path / "outside")

    with pytest.raises(UnknownEnvironment):
        parse.find("../outside:3", tmp_path / "envs")


def test_an_environment_in_another_s_folder_is_refused(tmp_path: Path):
    write(tmp_path / "other")

    with pytest.raises(SpecInvalid, match='name: "tabular" lies in the folder "other"'):
        parse.find("other:3", tmp_path)
