"""Where files come from: the user's word first, else what apt and pip use here."""

from __future__ import annotations

from pathlib import Path

import pytest
from lock_fakes import Archive

from harness.core.errors import NetworkUnavailable, SourceMissing, SpecInvalid
from harness.world import sources


def configuration(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return file


def apt(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "apt"
    (folder / "sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        stem, _, kind = name.rpartition("_")
        path = "sources.list" if stem == "" else f"sources.list.d/{stem}.{kind}"
        (folder / path).write_text(text)
    return folder


def test_the_users_setting_wins_and_is_not_asked_about(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    settings = {"debian": "http://mirror.example/debian/", "debian_keyring": str(archive.keyring)}

    found = sources.debian("bookworm", settings=settings, apt=tmp_path)

    assert ("http://mirror.example/debian", archive.keyring) == (found.mirror, found.keyring)


def test_apts_sources_are_tried_until_one_is_debians(tmp_path: Path) -> None:
    other, archive = Archive(tmp_path / "other"), Archive(tmp_path / "archive")
    other.publish(Origin="Somebody")
    archive.publish()
    absent = (tmp_path / "absent").as_uri()
    lines = [f"deb {where} bookworm main" for where in (absent, other.source.mirror)]
    lines.append(f"deb {archive.source.mirror} bookworm main")
    folder = apt(tmp_path, _list="\n".join(lines))

    found = sources.debian(
        "bookworm", settings={"debian_keyring": str(archive.keyring)}, apt=folder
    )

    assert archive.source.mirror == found.mirror


def test_a_machine_without_debian_sources_is_told_what_to_set(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")

    with pytest.raises(SourceMissing, match="no source of Debian packages") as failed:
        sources.debian("bookworm", settings={"debian_keyring": str(archive.keyring)}, apt=tmp_path)

    assert "set debian under [sources]" in failed.value.hint


def test_a_source_that_cannot_be_reached_is_not_called_missing(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    folder = apt(tmp_path, _list="deb http://127.0.0.1:1/debian bookworm main")

    with pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:1"):
        sources.debian("bookworm", settings={"debian_keyring": str(archive.keyring)}, apt=folder)


def test_a_keyring_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"absent\.gpg"):
        sources.debian("bookworm", settings={"debian_keyring": "absent.gpg"}, apt=tmp_path)


def test_both_forms_of_apts_files_are_read(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        _list="# deb http://commented/ x main\n"
        "deb [arch=amd64 signed-by=/k.gpg] http://one/debian bookworm contrib main # more\n"
        "deb-src http://source/debian bookworm main\n"
        "deb http://nomain/debian bookworm contrib\n"
        "deb http://one/debian bookworm-updates main\n",
        two_sources="# a comment\nTypes: deb deb-src\nURIs: http://two/debian/\n  http://three/debian\n"
        "Suites: bookworm bookworm-updates\nComponents: main\n\n"
        "Types: deb\nURIs: http://off/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
    )

    found = sources.apt_archives(folder)

    assert ("http://one/debian", "http://two/debian", "http://three/debian") == found


def test_security_pools_are_left_out(tmp_path: Path) -> None:
    folder = apt(
        tmp_path,
        _list="deb http://security.example/ bookworm-updates main\n"
        "deb http://mirror/all bookworm-security main\n",
        two_sources="Types: deb\nURIs: http://two/x\nSuites: trixie-security\nComponents: main\n",
    )

    assert () == sources.apt_archives(folder)


def test_a_list_of_mirrors_stands_for_its_lines(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.list"
    mirrors.write_text("http://near/debian\tpriority:1\n# none\nhttp://far/debian\n")
    folder = apt(tmp_path, _list=f"deb mirror+file:{mirrors} bookworm main")

    assert ("http://near/debian", "http://far/debian") == sources.apt_archives(folder)


def test_every_problem_of_the_configuration_is_told_at_once(tmp_path: Path) -> None:
    file = configuration(tmp_path, "[sources]\ndebain = 'x'\npypi = 3\n")

    with pytest.raises(SpecInvalid) as failed:
        sources.configured(file)

    assert "sources.debain: unknown setting" in failed.value.message
    assert "sources.pypi: expected a text" in failed.value.message


@pytest.mark.parametrize("text", ["[sources", "sources = 3"])
def test_a_configuration_that_cannot_be_read_is_one_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecInvalid, match=r"config\.toml"):
        sources.configured(configuration(tmp_path, text))


def test_no_configuration_is_no_setting(tmp_path: Path) -> None:
    assert {} == sources.configured(tmp_path / "absent.toml")


def test_pips_environment_is_stronger_than_its_files() -> None:
    lines = [
        ":env:.index-url='http://env/simple'",
        "global.index-url='http://global/simple'",
        "install.extra-index-url='http://one/simple http://two/simple'",
        "global.no-binary=':all:'",
        "list.format='json'",
        "global.timeout='7'",
    ]

    found = sources.python(settings={}, pip=sources.pip_settings(lines))

    assert "http://env/simple" == found.index
    assert ("http://one/simple", "http://two/simple") == found.extra
    assert 7.0 == found.connection.timeout


def test_the_users_index_is_stronger_than_pips() -> None:
    pip = sources.pip_settings(["global.index-url='http://pip/simple'"])

    assert (
        "http://mine/simple"
        == sources.python(settings={"pypi": "http://mine/simple"}, pip=pip).index
    )


def test_pip_itself_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://asked/simple")

    assert "http://asked/simple" == sources.python(settings={}).index
