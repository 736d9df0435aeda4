"""A signed archive: what its signature vouches for is taken, nothing else."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lock_fakes import ARCHITECTURE, STRANGER, Archive, served

from harness.core.errors import (
    HashMismatch,
    LockedFileGone,
    NetworkUnavailable,
    ResolutionFailed,
    SignatureInvalid,
    ToolMissing,
)
from harness.lock import debian, fetch
from harness.lock.lock import Deb
from harness.world.store import Store

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def resolve(archive: Archive, store: Store, *wanted: str, now: datetime = NOW) -> tuple[Deb, ...]:
    debs, _ = debian.resolve(
        wanted,
        suite="bookworm",
        architecture=ARCHITECTURE,
        source=archive.source,
        store=store,
        now=now,
    )
    return debs


@pytest.mark.parametrize("by_hash", [True, False])
def test_the_closure_comes_with_paths_digests_and_sizes(
    archive: Archive, store: Store, by_hash: bool
) -> None:
    app, lib = archive.add("app", "2:1.0-1", Depends="lib (>= 1)"), archive.add("lib", "1.5")
    archive.add("unrelated")
    archive.publish(by_hash=by_hash)

    found = resolve(archive, store, "app")

    assert [(app.filename, app.digest, app.size), (lib.filename, lib.digest, lib.size)] == [
        (deb.filename, deb.digest, deb.size) for deb in found
    ]
    assert [("lib",), ()] == [deb.dependencies for deb in found]


def test_the_date_of_the_index_comes_with_it(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish()

    _, date = debian.resolve(
        ["app"],
        suite="bookworm",
        architecture=ARCHITECTURE,
        source=archive.source,
        store=store,
        now=NOW,
    )

    assert datetime(2026, 7, 11, 10, 16, 37, tzinfo=UTC) == date


def test_a_known_index_is_not_downloaded_again(tmp_path: Path, store: Store) -> None:
    archive = Archive(tmp_path / "archive")
    archive.add("app")
    archive.publish()
    with served(archive.folder) as server:
        source = debian.Debian(
            mirror=server.address, keyring=archive.keyring, connection=archive.source.connection
        )
        for _ in range(2):
            debian.resolve(
                ["app"],
                suite="bookworm",
                architecture=ARCHITECTURE,
                source=source,
                store=store,
                now=NOW,
            )

    assert 1 == sum("/by-hash/" in path for path in server.asked)
    assert 2 == sum(path.endswith("/InRelease") for path in server.asked)


def test_an_index_answers_the_same_question_from_memory_and_a_new_index_anew(
    archive: Archive, store: Store
) -> None:
    archive.add("app", "1", Depends="lib")
    archive.add("lib", "1")
    archive.publish()

    first = resolve(archive, store, "app", "lib")
    again = resolve(archive, store, "lib", "app", "lib")
    narrower = resolve(archive, store, "lib")
    archive.add("lib", "2")
    archive.publish()
    newer = resolve(archive, store, "app", "lib")

    assert first == again
    assert ["lib"] == [deb.name for deb in narrower]
    assert [("app", "1"), ("lib", "2")] == [(deb.name, deb.version) for deb in newer]
    assert 3 == len(list((store.root / "d" / "debian-closure").iterdir()))


def test_a_strangers_signature_is_refused(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish(key=STRANGER)

    with pytest.raises(SignatureInvalid, match="doesn't hold"):
        resolve(archive, store, "app")


def test_an_unsigned_index_is_refused(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish(key=None)

    with pytest.raises(SignatureInvalid):
        resolve(archive, store, "app")


def test_an_index_changed_under_its_signature_is_refused(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish()
    release = archive.folder / "dists/bookworm/InRelease"
    release.write_bytes(release.read_bytes().replace(b"Sat, 11 Jul", b"Sun, 12 Jul"))

    with pytest.raises(SignatureInvalid):
        resolve(archive, store, "app")


def test_what_stands_outside_the_signature_is_not_believed(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish()
    release = archive.folder / "dists/bookworm/InRelease"
    release.write_bytes(b"Codename: evil\n\n" + release.read_bytes() + b"\nCodename: evil\n")

    try:
        assert ["app"] == [deb.name for deb in resolve(archive, store, "app")]
    except SignatureInvalid as refused:
        assert "doesn't hold" in refused.message


def test_packages_that_the_signed_index_does_not_name_are_refused(
    archive: Archive, store: Store
) -> None:
    archive.add("app")
    archive.publish(by_hash=False)
    packages = archive.folder / f"dists/bookworm/main/binary-{ARCHITECTURE}/Packages.xz"
    packages.write_bytes(packages.read_bytes() + b"\0")

    with pytest.raises(SignatureInvalid, match="is not the file"):
        resolve(archive, store, "app")


def test_an_expired_index_is_refused_and_a_valid_one_is_not(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish(Valid_Until="Sat, 18 Jul 2026 10:16:37 UTC")

    with pytest.raises(SignatureInvalid, match="was valid until"):
        resolve(archive, store, "app")
    assert resolve(archive, store, "app", now=datetime(2026, 7, 12, tzinfo=UTC))


def test_another_suites_index_is_refused(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish(Codename="bullseye")

    with pytest.raises(SignatureInvalid, match="signed as bullseye was served for bookworm"):
        resolve(archive, store, "app")


def test_an_unknown_suite_is_named(archive: Archive, store: Store) -> None:
    with pytest.raises(ResolutionFailed, match="no suite bookworm"):
        resolve(archive, store, "app")


def test_without_pysequoia_the_extra_is_named(
    archive: Archive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.add("app")
    archive.publish()
    monkeypatch.setitem(sys.modules, "pysequoia", None)

    with pytest.raises(ToolMissing) as failed:
        resolve(archive, store, "app")

    assert "model-harness[debian]" in failed.value.hint


def test_a_keyring_that_is_none_is_named(archive: Archive, store: Store) -> None:
    archive.add("app")
    archive.publish()
    archive.keyring.write_bytes(b"no keyring")

    with pytest.raises(SignatureInvalid, match=r"keyring\.gpg can't be read"):
        resolve(archive, store, "app")


def test_a_deb_is_stored_by_its_digest(archive: Archive, store: Store) -> None:
    deb = archive.add("app")

    debian.download(deb, source=archive.source, store=store)

    assert store.read(deb.digest) == (archive.folder / deb.filename).read_bytes()


def test_a_deb_that_left_the_archive_is_named_with_the_way_out(
    archive: Archive, store: Store
) -> None:
    deb = archive.add("app", "1.0")
    (archive.folder / deb.filename).unlink()

    with pytest.raises(LockedFileGone, match=r"app 1\.0 has left the archive") as failed:
        fetch.fetch_debs([deb], store, source=archive.source)

    assert "--upgrade" in failed.value.hint


def test_a_deb_with_other_bytes_is_refused_and_not_kept(archive: Archive, store: Store) -> None:
    deb = archive.add("app")
    (archive.folder / deb.filename).write_bytes(b"others")

    with pytest.raises(HashMismatch, match=f"app_1.0_{ARCHITECTURE}.deb"):
        fetch.fetch_debs([deb], store, source=archive.source)

    assert not store.has(deb.digest)


def test_no_network_on_a_cold_cache_is_one_error(archive: Archive, store: Store) -> None:
    archive.add("app")
    source = debian.Debian(
        mirror="http://127.0.0.1:1/debian",
        keyring=archive.keyring,
        connection=archive.source.connection,
    )

    with pytest.raises(NetworkUnavailable, match=r"127\.0\.0\.1:1 could not be reached") as failed:
        debian.resolve(
            ["app"],
            suite="bookworm",
            architecture=ARCHITECTURE,
            source=source,
            store=store,
            now=NOW,
        )

    assert failed.value.hint
