"""``harness audit``: found, passed or no data, and what a team allows for how long."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from harness.cli.main import main
from harness.core.digest import of_bytes
from harness.core.errors import SpecInvalid
from harness.lock import allowed, pylock
from harness.lock.lock import Deb, Lock, Wheel
from harness.world import clock

TODAY = clock.now().date()
SPEC = """\
name = "tabular"
version = 1
python = "3.11"
base = { debian = "bookworm" }
requirements = ["urllib3"]
"""


def flaw(name: str, fixed: str | None, *, ecosystem: str = "PyPI", **more: Any) -> dict[str, Any]:
    events = [{"introduced": "0"}, *([{"fixed": fixed}] if fixed else [])]
    return {
        "id": more.pop("id", "CVE-2026-1"),
        "modified": datetime.now(UTC).isoformat(),
        "affected": [
            {
                "package": {"ecosystem": ecosystem, "name": name},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
        **more,
    }


ELSEWHERE = flaw("elsewhere", "9", ecosystem="Debian:12", id="CVE-0")
HIGH = {"database_specific": {"severity": "HIGH"}}
LOW = {"database_specific": {"severity": "LOW"}}


class Desk:
    """A folder with one locked environment, and a command that audits it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "envs/tabular"
        self.home.mkdir(parents=True)
        (self.home / "environment.toml").write_text(SPEC)
        pylock.write(self.home / "pylock.1.toml", LOCK)

    def __call__(self, *records: dict[str, Any], more: tuple[str, ...] = ()) -> Result:
        snapshot: tuple[str, ...] = ()
        if records:
            (self.folder / "osv.json").write_text(json.dumps(records))
            snapshot = ("--advisories", str(self.folder / "osv.json"))
        where = () if any(one.endswith(".toml") for one in more) else ("tabular",)
        arguments = ["audit", *where, "--envs", str(self.folder / "envs"), *snapshot, *more]
        return CliRunner().invoke(
            main, arguments, env={"HARNESS_CONFIG": str(self.folder / "config.toml")}
        )

    def allow(self, text: str) -> None:
        (self.home / "audit.toml").write_text(text)


def deb(name: str, source: str) -> Deb:
    return Deb(
        name=name,
        version="3.0-1",
        architecture="amd64",
        filename=f"pool/{name}.deb",
        digest=of_bytes(name.encode()),
        size=1,
        source=source,
        source_version="3.0-1",
    )


LOCK = Lock(
    name="tabular",
    version=1,
    python="3.11",
    suite="bookworm",
    architecture="amd64",
    spec=of_bytes(b"spec"),
    released=datetime(2026, 1, 1, tzinfo=UTC),
    requirements=("urllib3",),
    packages=(
        Wheel(
            name="urllib3",
            version="2.5.0",
            filename="urllib3-2.5.0-py3-none-any.whl",
            digest=of_bytes(b"wheel"),
        ),
    ),
    debs=(deb("libssl3", "openssl"), deb("openssl", "openssl")),
)


@pytest.fixture
def audit(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_flaw_is_found_with_the_version_that_mends_it(audit: Desk) -> None:
    done = audit(flaw("urllib3", "2.6.0", summary="bad", **HIGH), ELSEWHERE)

    assert 1 == done.exit_code
    assert "tabular:1 · 2 packages · 1 found" in done.stdout
    assert "  * urllib3 2.5.0 · CVE-2026-1 · high · fixed in 2.6.0\n      bad" in done.stdout


def test_a_snapshot_that_names_no_locked_version_passes(audit: Desk) -> None:
    done = audit(flaw("urllib3", "2.5.0"), ELSEWHERE)

    assert (0, True) == (done.exit_code, "2 packages · 0 found" in done.stdout)


def test_no_snapshot_is_no_data_and_never_none_found(audit: Desk) -> None:
    done = audit()

    assert 4 == done.exit_code
    assert "no data" in done.stderr
    assert "0 found" not in done.output


def test_a_snapshot_of_another_ecosystem_is_no_data(audit: Desk) -> None:
    done = audit(flaw("urllib3", "2.5.0"))
    alone = audit(ELSEWHERE, more=("--only", "python"))
    python = audit(flaw("urllib3", "2.5.0"), more=("--only", "python"))

    assert (4, 4, 0) == (done.exit_code, alone.exit_code, python.exit_code)
    assert "no data: the snapshot has no advisory of Debian:12" in done.stdout
    assert "0 found" not in alone.stdout


def test_packages_of_one_source_are_one_finding(audit: Desk) -> None:
    done = audit(
        flaw("openssl", "3.0-2", ecosystem="Debian:12"),
        flaw("urllib3", "1.0", id="CVE-2"),
        more=("--output", "json"),
    )

    (found,) = json.loads(done.stdout)["locks"][0]["found"]
    assert ("openssl", ["libssl3", "openssl"], "3.0-2") == (
        found["package"],
        found["packages"],
        found["fixed"],
    )


@pytest.mark.parametrize(
    ("severity", "words", "code"),
    [("high", HIGH, 1), ("critical", HIGH, 0), ("low", LOW, 1), ("medium", LOW, 0),
     ("critical", {}, 1)],
)  # fmt: skip
def test_only_what_is_bad_enough_counts_and_the_unrated_always(
    severity: str, words: dict[str, Any], code: int, audit: Desk
) -> None:
    done = audit(flaw("urllib3", "2.6.0", **words), ELSEWHERE, more=("--severity", severity))

    assert code == done.exit_code
    assert "CVE-2026-1" in done.stdout


def test_what_nothing_mends_can_be_left_out_of_the_count(audit: Desk) -> None:
    records = (flaw("urllib3", None), ELSEWHERE)

    assert 1 == audit(*records).exit_code
    assert 0 == audit(*records, more=("--fixable",)).exit_code


def test_an_allowed_flaw_does_not_count_until_it_expires(audit: Desk) -> None:
    entry = '[[allow]]\nid = "GHSA-1"\nreason = "not reachable"\nexpires = {}\n'
    records = (flaw("urllib3", "2.6.0", aliases=["GHSA-1"]), ELSEWHERE)

    audit.allow(entry.format(TODAY))
    now = audit(*records)
    audit.allow(entry.format(TODAY - timedelta(days=2)))
    late = audit(*records)

    assert (0, 1) == (now.exit_code, late.exit_code)
    assert f"allowed until {TODAY}: not reachable" in now.stdout
    assert f"allowance expired on {TODAY - timedelta(days=2)}: not reachable" in late.stdout


def test_an_allowance_is_of_one_package_where_it_says_so(audit: Desk) -> None:
    audit.allow(
        '[[allow]]\nid = "CVE-2026-1"\npackage = "other"\nreason = "x"\nexpires = 2099-01-01\n'
    )

    done = audit(flaw("urllib3", "2.6.0"), ELSEWHERE)

    assert 1 == done.exit_code
    assert "audit.toml allows CVE-2026-1, which matches nothing here" in done.stdout


def test_every_mistake_in_an_allow_list_is_told(tmp_path: Path) -> None:
    file = tmp_path / "audit.toml"
    file.write_text(
        'more = 1\n[[allow]]\nid = "CVE-1"\nexpires = 2027-01-01\n[[allow]]\nid = "CVE-2"\n'
        'reason = " "\nexpires = "soon"\nwhy = 3\n'
    )

    with pytest.raises(SpecInvalid) as failed:
        allowed.read(file)

    assert (
        f"{file}: more: unknown key; allow[0].reason: missing; allow[1].why: unknown key; "
        "allow[1].reason: missing; allow[1].expires: expected a date, like 2027-01-31"
        == failed.value.message
    )


def test_an_old_snapshot_is_said_to_be_old(audit: Desk) -> None:
    old = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    records = [{**one, "modified": old} for one in (flaw("urllib3", "2.5.0"), ELSEWHERE)]

    said = audit(*records).stdout

    assert "the snapshot is 30 days old" in said
    assert "days old" not in audit(*records, more=("--stale-after", "30")).stdout


def test_a_lock_file_is_audited_wherever_it_lies(audit: Desk) -> None:
    path = audit.folder / "copy.toml"
    pylock.write(path, LOCK)

    done = audit(flaw("urllib3", "2.6.0"), ELSEWHERE, more=(str(path),))

    assert (1, True) == (done.exit_code, "tabular:1" in done.stdout)


def test_the_snapshot_of_the_users_configuration_is_the_default(audit: Desk) -> None:
    (audit.folder / "mirror.json").write_text(json.dumps([flaw("urllib3", "2.6.0"), ELSEWHERE]))
    path = audit.folder / "mirror.json"
    (audit.folder / "config.toml").write_text(f'[sources]\nadvisories = "{path}"\n')

    assert 1 == audit().exit_code


def test_every_environment_and_an_earlier_version_can_be_named(audit: Desk) -> None:
    spec = audit.home / "environment.toml"
    spec.write_text(SPEC.replace("version = 1", "version = 2"))
    mended = replace(LOCK.packages[0], version="2.6.0", filename="urllib3-2.6.0-py3-none-any.whl")
    pylock.write(audit.home / "pylock.2.toml", replace(LOCK, version=2, packages=(mended,)))
    (audit.folder / "osv.json").write_text(json.dumps([flaw("urllib3", "2.6.0"), ELSEWHERE]))
    shared = ("--envs", str(audit.folder / "envs"), "--advisories", str(audit.folder / "osv.json"))

    everything = CliRunner().invoke(main, ["audit", "--all", *shared])
    earlier = CliRunner().invoke(main, ["audit", "tabular:1", *shared])

    assert (0, True) == (everything.exit_code, "tabular:2 · " in everything.stdout)
    assert (1, True) == (earlier.exit_code, "tabular:1 · " in earlier.stdout)


def test_names_or_all_must_be_given(audit: Desk) -> None:
    assert 2 == CliRunner().invoke(main, ["audit"]).exit_code
    assert 2 == CliRunner().invoke(main, ["audit", "tabular", "--all"]).exit_code
