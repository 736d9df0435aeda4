"""A snapshot says of a version what its records say of it, once for each flaw."""

from __future__ import annotations

import json
import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from harness.core.errors import AdvisoriesInvalid, AdvisoriesMissing
from harness.lock import osv, severity
from harness.lock.advisories import Advisories, load
from harness.lock.osv import Affected
from harness.lock.severity import Level

VERSIONS = ["0.9", "1.0rc1", "1.0", "1.0.post1", "1.1", "2.0", "2.1", "10.0"]


def record(id: str, *affected: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": id, "modified": "2026-11-01T10:00:00Z", "affected": list(affected), **more}


def package(
    name: str, *events: dict[str, str], ecosystem: str = "PyPI", **more: Any
) -> dict[str, Any]:
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {"package": {"ecosystem": ecosystem, "name": name}, "ranges": ranges, **more}


def until(fixed: str) -> tuple[dict[str, str], dict[str, str]]:
    return {"introduced": "0"}, {"fixed": fixed}


def snapshot(*records: dict[str, Any]) -> Advisories:
    return Advisories(osv.read(one) for one in records)


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


@given(st.lists(st.sampled_from(VERSIONS), min_size=1, max_size=6, unique=True), st.booleans())
def test_a_version_is_affected_between_introduced_and_fixed(bounds: list[str], open: bool) -> None:
    """OSV schema, "Evaluation": "sorted events … introduced … vulnerable = true, fixed … false"."""
    ordered = sorted(bounds, key=Version)
    events = [("introduced" if n % 2 == 0 else "fixed", v) for n, v in enumerate(ordered)]
    shuffled = random.Random(len(bounds)).sample(events, len(events))
    affected = Affected(ecosystem="PyPI", package="p", ranges=(tuple(shuffled),))

    for version in VERSIONS:
        before = sum(Version(bound) <= Version(version) for bound in bounds)
        assert (before % 2 == 1) == affected.covers(version), version


@pytest.mark.parametrize(
    ("events", "inside", "outside"),
    [
        ((("introduced", "0"), ("last_affected", "1.0")), ["0.9", "1.0"], ["1.0.post1", "2.0"]),
        ((("introduced", "0"),), ["0.9", "10.0"], []),
        ((("introduced", "0"), ("limit", "2.0")), ["0.9", "1.1"], ["2.0", "10.0"]),
        ((("introduced", "1.0"), ("fixed", "10.0")), ["2.1", "1.0+cpu"], ["1.0rc1", "10.0+cpu"]),
    ],
)
def test_every_kind_of_event_counts(
    events: tuple[tuple[str, str], ...], inside: list[str], outside: list[str]
) -> None:
    affected = Affected(ecosystem="PyPI", package="p", ranges=(events,))

    assert [True] * len(inside) == [affected.covers(version) for version in inside]
    assert [False] * len(outside) == [affected.covers(version) for version in outside]


def test_a_listed_version_is_affected_though_no_range_covers_it() -> None:
    data = snapshot(record("PYSEC-1", package("p", *until("1.0"), versions=["2.0"])))

    assert ["PYSEC-1"] == ids(data.of("p", "2.0"))
    assert [] == ids(data.of("p", "1.0"))


def test_debian_versions_are_compared_by_debians_rules() -> None:
    fixed = "3.0.17-1~deb12u2"
    data = snapshot(
        record("DEBIAN-CVE-1", package("openssl", *until(fixed), ecosystem="Debian:12"))
    )

    def of(version: str, ecosystem: str = "Debian:12") -> list[str]:
        return ids(data.of("openssl", version, ecosystem=ecosystem))

    assert ["CVE-1"] == of("3.0.17-1~deb12u1")
    assert [] == of("3.0.17-1~deb12u2")
    assert [] == of("1:1.0-1")
    assert [] == of("3.0.17-1~deb12u1", "Debian:13")
    assert fixed == data.of("openssl", "3.0.9-1", ecosystem="Debian:12")[0].fixed


def test_names_are_compared_as_pep_503_says() -> None:
    data = snapshot(record("PYSEC-1", package("Ruamel.YAML", *until("1.0"))))

    assert ["PYSEC-1"] == ids(data.of("ruamel_yaml", "0.9"))


def test_one_flaw_is_found_once_whatever_it_is_called() -> None:
    """Two records are of one flaw when they have a name in common, also over a third."""
    data = snapshot(
        record("PYSEC-1", package("p", *until("1.1")), aliases=["CVE-1"]),
        record("GHSA-x", package("p", *until("2.0")), aliases=["CVE-1"], summary="bad"),
        record("OSV-9", package("p", *until("1.1")), aliases=["GHSA-x"]),
        record("PYSEC-2", package("p", *until("1.1")), aliases=["CVE-2"]),
    )

    first, second = data.of("p", "1.0")

    assert ("CVE-1", ("GHSA-x", "OSV-9", "PYSEC-1"), "2.0", "bad") == (
        first.id,
        first.aliases,
        first.fixed,
        first.summary,
    )
    assert "CVE-2" == second.id


def test_a_notice_is_folded_into_the_flaws_that_it_gathers() -> None:
    def debian(id: str, *upstream: str) -> dict[str, Any]:
        affected = package("p", *until("2-1"), ecosystem="Debian:12")
        return record(id, affected, upstream=list(upstream))

    flaws = [debian("DEBIAN-CVE-1", "CVE-1"), debian("DEBIAN-CVE-2", "CVE-2")]
    notice = debian("DSA-1-1", "CVE-1", "CVE-2")

    assert ["CVE-1", "CVE-2"] == ids(snapshot(*flaws, notice).of("p", "1-1", ecosystem="Debian:12"))
    assert ["DSA-1-1"] == ids(snapshot(flaws[0], notice).of("p", "1-1", ecosystem="Debian:12"))[1:]


def test_a_withdrawn_advisory_does_not_count() -> None:
    data = snapshot(
        record("PYSEC-1", package("p", *until("2.0")), withdrawn="2026-11-02T00:00:00Z")
    )

    assert () == data.of("p", "1.0")
    assert frozenset() == data.named("PYSEC-1")


def test_a_snapshot_is_as_old_as_its_newest_record() -> None:
    data = snapshot(
        record("A", modified="2026-11-01T10:00:00Z"), record("B", modified="2026-10-01T10:00:00Z")
    )

    assert datetime(2026, 11, 1, 10, tzinfo=UTC) == data.taken


@pytest.mark.parametrize("form", ["folder", "zip", "json", "jsonl", "folder of zips"])
def test_every_form_of_a_snapshot_says_the_same(form: str, tmp_path: Path) -> None:
    records = [record(f"PYSEC-{n}", package("p", *until("2.0"))) for n in range(3)]
    place = tmp_path / "snapshot"
    match form:
        case "folder":
            for one in records:
                (place / one["id"][-1]).mkdir(parents=True)
                (place / one["id"][-1] / "record.json").write_text(json.dumps(one))
        case "zip" | "folder of zips":
            place = tmp_path / "all.zip"
            with zipfile.ZipFile(place, "w") as archive:
                for one in records:
                    archive.writestr(f"{one['id']}.json", json.dumps(one))
            place = place if form == "zip" else tmp_path
        case "json":
            place = tmp_path / "all.json"
            place.write_text(json.dumps(records))
        case "jsonl":
            place = tmp_path / "all.jsonl"
            place.write_text("".join(f"{json.dumps(one)}\n" for one in records))

    data = load([place])

    assert ["PYSEC-0", "PYSEC-1", "PYSEC-2"] == ids(data.of("p", "1.0"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"id": "A"', "delimiter"),
        ('{"name": "A"}', "it has no id"),
        ('{"id": "A"}', "A: modified is no date"),
        ('{"id": "A", "modified": "2026-11-01T10:00:00Z", "affected": 3}', "A: not of OSV's form"),
        ("\xff", "decode"),
    ],
)
def test_a_damaged_record_is_named(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_bytes(text.encode("latin-1"))

    with pytest.raises(AdvisoriesInvalid, match=r"one\.json is no advisory") as failed:
        load([tmp_path])

    assert said in failed.value.message


def test_nothing_there_is_no_data(tmp_path: Path) -> None:
    for places in ([], [tmp_path], [tmp_path / "nowhere"]):
        with pytest.raises(AdvisoriesMissing, match="no data") as failed:
            load(places)

        assert 4 == failed.value.exit_code


PUBLISHED = [
    # CVSS v3.1 examples, FIRST: CVE-2013-1937, CVE-2014-3566, CVE-2014-0160, CVE-2014-6271
    ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", "medium 6.1"),
    ("CVSS_V3", "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N", "low 3.1"),
    ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "high 7.5"),
    ("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "critical 9.8"),
    # CVSS v4.0 examples, FIRST: CVE-2022-41741, CVE-2020-3549, CVE-2014-0160
    ("CVSS_V4", "CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "high 7.3"),
    ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", "high 7.7"),
    ("CVSS_V4", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N", "high 8.7"),
]


@pytest.mark.parametrize(("kind", "vector", "rating"), PUBLISHED)
def test_a_vector_gets_its_published_score(kind: str, vector: str, rating: str) -> None:
    pytest.importorskip("cvss", reason="cvss is not installed")

    assert rating == str(severity.rated([(kind, vector)]))


def test_the_newest_kind_of_vector_counts_and_of_several_the_worst() -> None:
    pytest.importorskip("cvss", reason="cvss is not installed")
    (_, low, _), (_, high, _) = PUBLISHED[1], PUBLISHED[2]

    assert "high 7.5" == str(severity.rated([("CVSS_V3", low), ("CVSS_V3", high)]))
    assert "high 7.3" == str(severity.rated([("CVSS_V3", high), PUBLISHED[4][:2]]))
    assert Level.unknown == severity.rated([("CVSS_V3", "nonsense")]).level


def test_without_a_vector_its_publishers_word_counts_and_without_one_the_worst_is_assumed() -> None:
    assert Level.medium == severity.rated([], ["MODERATE"]).level
    assert Level.none == severity.rated([], ["unimportant"]).level
    assert Level.unknown == severity.rated([], ["not yet assigned"]).level
    assert Level.unknown > Level.critical


@given(st.integers(0, 100))
def test_levels_are_those_of_the_specification(tenths: int) -> None:
    """CVSS v3.1 §5: none 0.0, low 0.1–3.9, medium 4.0–6.9, high 7.0–8.9, critical 9.0–10.0."""
    bounds = ((0, "none"), (39, "low"), (69, "medium"), (89, "high"), (100, "critical"))
    expected = next(name for bound, name in bounds if tenths <= bound)

    assert expected == severity.level_of(tenths / 10).name
