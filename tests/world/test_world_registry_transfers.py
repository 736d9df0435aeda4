"""Files over a bad line: whole and right or not at all, and gone on with from where it broke."""

from __future__ import annotations

import os
import threading
import tracemalloc
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest
from registries import registry
from registry_proxy import Fault, flipped, proxy
from registry_strict import strict

from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.core.errors import HashMismatch, NetworkUnavailable, StoreDamaged
from harness.world import registry_blobs
from harness.world.registry import Registry
from harness.world.registry_blobs import Blob
from harness.world.registry_login import Login
from harness.world.store import Store
from harness.world.transfer import Meter, together

pytest.importorskip("httpx2", reason="httpx2 is not installed")
pytestmark = pytest.mark.requires_tool("docker-registry")
CHUNK = 1 << 20
BIG = os.urandom(5 * CHUNK + 77)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def data(request: pytest.FixtureRequest) -> bytes:
    """Bytes of this test's own: the registry has never seen them."""
    return request.node.name.encode() + BIG


def there(host: str, repository: str, data: bytes) -> Blob:
    with Registry(host) as door:
        return Blob(digest=door.push_blob(repository, data), size=len(data))


def door(host: str, waits: list[float] | None = None, **options: object) -> Registry:
    pause = (waits if waits is not None else []).append
    return Registry(host, pause=pause, jitter=lambda: 1.0, **options)  # type: ignore[arg-type]


def pull(host: str, blob: Blob, store: Store, **options: object) -> None:
    with door(host, **options) as opened:  # type: ignore[arg-type]
        registry_blobs.pull(opened, "a", blob, store, Meter(blob.size))


def push(host: str, data: bytes, store: Store, *, repository: str = "a", **options: object) -> str:
    blob = Blob(digest=of_bytes(data), size=len(data))
    if not store.has(blob.digest):  # where it is damaged it stays so
        store.add(data)
    with door(host, **options) as opened:  # type: ignore[arg-type]
        return registry_blobs.push(opened, repository, blob, store, Meter(blob.size), chunk=CHUNK)


def arrived(host: str, data: bytes, repository: str = "a") -> bool:
    with Registry(host) as door:
        return door.blob(repository, of_bytes(data)) == data


def test_a_pull_goes_on_where_the_connection_broke(host: str, store: Store, data: bytes) -> None:
    blob = there(host, "a", data)
    cuts = [Fault(what="cut answer", method="GET", part="/blobs/", at=at) for at in (CHUNK, 77)]

    with proxy(host, *cuts) as (line_host, line):
        pull(line_host, blob, store)

    assert data == store.read(blob.digest)
    asked = [ranged for *_, ranged, _ in line.of("GET", "/blobs/")]
    assert ["", f"bytes={CHUNK}-", f"bytes={CHUNK + 77}-"] == asked


def test_a_pull_that_gave_up_is_gone_on_with_by_the_next(
    host: str, store: Store, data: bytes
) -> None:
    blob = there(host, "a", data)
    with proxy(host, Fault(what="cut answer", method="GET", at=CHUNK)) as (line_host, line):
        with pytest.raises(NetworkUnavailable, match="peer closed"):
            pull(line_host, blob, store, attempts=1)
        assert not store.has(blob.digest)

        pull(line_host, blob, store)

    assert data == store.read(blob.digest)
    assert f"bytes={CHUNK}-" == line.asked[-1][2]
    assert not list((store.root / "partial").iterdir())


def test_a_registry_without_ranges_is_read_from_the_start(
    host: str, store: Store, data: bytes
) -> None:
    blob = there(host, "a", data)
    faults = Fault(what="cut answer", method="GET", at=CHUNK), Fault(what="no ranges", method="GET")

    with proxy(host, *faults) as (line_host, _):
        pull(line_host, blob, store)

    assert data == store.read(blob.digest)


def test_a_line_that_never_brings_more_is_given_up(host: str, store: Store, data: bytes) -> None:
    blob, waits = there(host, "a", data), []
    with (
        proxy(host, Fault(what="cut answer", method="GET", at=0, times=99)) as (line_host, line),
        pytest.raises(NetworkUnavailable, match=line_host),
    ):
        pull(line_host, blob, store, waits=waits)

    assert [0.5, 1.0, 2.0] == waits
    assert 4 == len(line.of("GET"))


@pytest.mark.parametrize("at", [0, CHUNK + 5, 5 * CHUNK])
def test_a_bit_flipped_on_the_way_is_found_and_named(
    host: str, store: Store, data: bytes, at: int
) -> None:
    blob = there(host, "a", data)
    with proxy(host, Fault(what="flip answer", method="GET", at=at)) as (line_host, _):
        with pytest.raises(HashMismatch) as failed:
            pull(line_host, blob, store)

        assert not store.has(blob.digest)
        assert not list((store.root / "partial").iterdir())
        pull(line_host, blob, store)  # the next one isn't held up by what was wrong

    assert blob.digest in failed.value.message
    assert of_bytes(flipped(data, at)) in failed.value.message
    assert data == store.read(blob.digest)


def test_a_bit_flipped_in_what_an_earlier_run_left_costs_one_more_try(
    host: str, store: Store, data: bytes
) -> None:
    blob = there(host, "a", data)
    left = store.root / "partial" / hexadecimal(blob.digest)
    left.parent.mkdir(parents=True)
    left.write_bytes(flipped(data, 9)[:CHUNK])

    pull(host, blob, store)

    assert data == store.read(blob.digest)


def test_a_damaged_blob_of_the_store_is_pulled_again(host: str, store: Store, data: bytes) -> None:
    blob = there(host, "a", data)
    pull(host, blob, store)
    store.path(blob.digest).write_bytes(flipped(data, 3))

    pull(host, blob, store)

    assert data == store.read(blob.digest)


def test_a_blob_longer_than_its_manifest_says_is_refused_early(
    host: str, store: Store, data: bytes
) -> None:
    blob = there(host, "a", data)

    with pytest.raises(HashMismatch, match=f"more than the {CHUNK} bytes"):
        pull(host, Blob(digest=blob.digest, size=CHUNK), store)

    assert not store.has(blob.digest)


def test_two_who_want_one_blob_get_it_once(host: str, store: Store, data: bytes) -> None:
    blob = there(host, "a", data)
    with proxy(host) as (line_host, line):
        both = [threading.Thread(target=pull, args=(line_host, blob, store)) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join()

    assert data == store.read(blob.digest)
    assert 1 == len(line.of("GET"))


def test_a_push_goes_on_at_the_last_chunk_that_arrived(
    host: str, store: Store, data: bytes
) -> None:
    cut = Fault(what="cut request", method="PATCH", at=1000, skip=2)
    with proxy(host, cut) as (line_host, line):
        assert "sent" == push(line_host, data, store)

    assert arrived(host, data)
    starts = [int(ranged.partition("-")[0]) for *_, ranged, _ in line.of("PATCH")]
    assert [0, CHUNK, 2 * CHUNK, 2 * CHUNK, 3 * CHUNK, 4 * CHUNK, 5 * CHUNK] == starts


def test_a_push_that_gave_up_is_gone_on_with_by_the_next(
    host: str, store: Store, data: bytes
) -> None:
    cut = Fault(what="cut request", method="PATCH", at=1000, skip=2)
    with proxy(host, cut) as (line_host, line):
        with pytest.raises(NetworkUnavailable):
            push(line_host, data, store, attempts=1)
        assert "sent" == push(line_host, data, store)

    assert arrived(host, data)
    assert 7 == len(line.of("PATCH"))
    assert not list((store.root / "d" / "upload").iterdir())


@pytest.mark.parametrize("what", ["break request", "lose answer"])
def test_an_upload_that_the_registry_has_lost_is_begun_again(
    host: str, store: Store, data: bytes, what: str
) -> None:
    """docker-registry cancels an upload whose size is not the one that it told us last."""
    fault = Fault(what=what, method="PATCH", at=CHUNK // 2, skip=3)
    with proxy(host, fault) as (line_host, line):
        assert "sent" == push(line_host, data, store)

    assert arrived(host, data)
    assert 2 == len(line.of("POST"))


def test_a_blob_whose_last_answer_was_lost_is_not_sent_again(
    host: str, store: Store, data: bytes
) -> None:
    with proxy(host, Fault(what="lose answer", method="PUT")) as (line_host, line):
        push(line_host, data, store)

    assert arrived(host, data)
    assert 1 == len(line.of("POST")) == len(line.of("PUT"))


def test_a_bit_flipped_in_what_is_pushed_is_sent_again_and_then_named(
    host: str, store: Store, data: bytes
) -> None:
    with proxy(host, Fault(what="flip request", method="PATCH", at=7)) as (line_host, _):
        push(line_host, data, store)
    assert arrived(host, data)

    other = data + b"!"
    with (
        proxy(host, Fault(what="flip request", method="PATCH", at=7, times=99)) as (line_host, _),
        pytest.raises(HashMismatch, match=of_bytes(other)),
    ):
        push(line_host, other, store)


def test_a_damaged_blob_of_the_store_is_never_sent(host: str, store: Store, data: bytes) -> None:
    digest = store.add(data)
    store.path(digest).write_bytes(flipped(data, 3))

    with proxy(host) as (line_host, line), pytest.raises(StoreDamaged, match=hexadecimal(digest)):
        push(line_host, data, store)

    assert not line.of("POST")


def test_what_is_there_is_not_sent_and_what_a_neighbour_has_is_mounted(
    host: str, store: Store, data: bytes
) -> None:
    with proxy(host) as (line_host, line):
        ways = [push(line_host, data, store, repository=to) for to in ("a", "a", "team/b", "c")]

    assert ["sent", "there", "mounted", "mounted"] == ways
    assert arrived(host, data, "team/b")
    assert 6 == len(line.of("PATCH"))


def test_a_mount_that_the_registry_does_not_do_is_an_upload(
    host: str, store: Store, data: bytes
) -> None:
    """The neighbour has lost the blob: the answer to the mount begins an upload, and it is used."""
    with proxy(host) as (line_host, line):
        push(line_host, data, store)
        with Registry(host) as opened:
            opened.delete_blob("a", of_bytes(data))

        assert "sent" == push(line_host, data, store, repository="d")

    assert arrived(host, data, "d")
    assert 2 == len(line.of("POST"))


@pytest.mark.parametrize("status", [429, 503])
def test_a_registry_that_asks_to_wait_is_waited_for(
    host: str, store: Store, data: bytes, status: int
) -> None:
    blob, waits = there(host, "a", data), []
    busy = Fault(what="answer", method="GET", status=status, headers={"Retry-After": "7"})
    with proxy(host, busy) as (line_host, _):
        pull(line_host, blob, store, waits=waits)

    assert [7.125] == waits
    assert data == store.read(blob.digest)


def test_a_moment_to_wait_for_is_bounded(host: str, store: Store, data: bytes) -> None:
    blob, waits = there(host, "a", data), []
    moment = {"Retry-After": formatdate(4e9, usegmt=True)}
    with proxy(host, Fault(what="answer", method="GET", status=429, headers=moment)) as (h, _):
        pull(h, blob, store, waits=waits)

    assert [120.125] == waits


def test_a_registry_that_stumbles_at_every_step_of_a_push_gets_it_in_the_end(
    host: str, store: Store, data: bytes
) -> None:
    faults = [
        Fault(what="answer", method=method, status=500)
        for method in ("HEAD", "POST", "PATCH", "PUT")
    ]
    with proxy(host, *faults) as (line_host, _):
        push(line_host, data, store)

    assert arrived(host, data)


def test_a_transfer_that_crawls_is_cut_by_its_deadline(
    host: str, store: Store, data: bytes
) -> None:
    blob, clock = there(host, "a", data), iter(range(0, 10**9, 600))

    with pytest.raises(NetworkUnavailable, match="slower than 16 KiB/s"):
        pull(host, blob, store, attempts=1, now=lambda: float(next(clock)))


def test_memory_stays_small_however_big_the_blob_is(host: str, store: Store) -> None:
    big = os.urandom(1 << 20) * 64
    digest = store.add(big)
    blob = Blob(digest=digest, size=len(big))
    del big
    tracemalloc.start()
    with Registry(host) as opened:
        registry_blobs.push(opened, "big", blob, store, Meter(blob.size))
        store.path(digest).unlink()
        registry_blobs.pull(opened, "big", blob, store, Meter(blob.size))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert store.whole(digest)
    assert peak < 8 << 20


def test_many_at_once_tell_how_far_they_are(host: str, store: Store) -> None:
    blobs = [there(host, "a", os.urandom(100_000 + n)) for n in range(9)]
    total, told = sum(blob.size for blob in blobs), []
    meter = Meter(total, lambda done, of: told.append((done, of)))

    with Registry(host) as opened:
        together(lambda blob: registry_blobs.pull(opened, "a", blob, store, meter), blobs, meter)

    assert (total, total) == told[-1]
    assert sorted(told) == told
    assert all(store.whole(blob.digest) for blob in blobs)


def test_one_that_fails_ends_the_others_and_is_the_one_that_is_told(
    host: str, store: Store
) -> None:
    blobs = [there(host, "a", os.urandom(100_000 + n)) for n in range(9)]
    gone = Blob(digest=Digest("sha256:" + "0" * 64), size=5)
    meter = Meter(0)
    with Registry(host) as opened, pytest.raises(Exception, match="0000") as failed:
        together(
            lambda blob: registry_blobs.pull(opened, "a", blob, store, meter), [gone, *blobs], meter
        )

    assert "NotFound" == type(failed.value).__name__


def test_a_full_disk_gets_its_room_back(
    host: str, store: Store, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = there(host, "a", data)
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            pull(host, blob, store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert not store.has(blob.digest)
    assert not list((store.root / "partial").iterdir())


def test_a_blob_elsewhere_is_followed_to_and_the_login_is_not_sent_there(
    host: str, store: Store, data: bytes
) -> None:
    blob, who = there(host, "a", data), Login(name="user", password="secret")
    with proxy(host) as (storage, elsewhere):
        place = {"Location": f"http://{storage}/v2/a/blobs/{blob.digest}"}
        asking = Fault(
            what="answer", method="GET", status=401, headers={"WWW-Authenticate": "Basic realm=x"}
        )
        moved = Fault(what="answer", method="GET", status=307, headers=place, times=9)
        with proxy(host, asking, moved) as (line_host, line):
            pull(line_host, blob, store, login=who)

    assert data == store.read(blob.digest)
    assert line.logins[-1].startswith("Basic ")
    assert [""] == elsewhere.logins


def test_an_upload_that_is_sent_elsewhere_takes_no_login_along(
    host: str, store: Store, data: bytes
) -> None:
    with strict() as (other, content), proxy(other) as (storage, elsewhere):
        content.uploads["7"] = bytearray()
        place = {"Location": f"http://{storage}/v2/a/blobs/uploads/7"}
        asking = {"WWW-Authenticate": "Basic realm=x"}
        faults = [
            Fault(what="answer", method="HEAD", status=401, headers=asking),
            Fault(what="answer", method="POST", status=202, headers=place),
        ]
        with proxy(host, *faults) as (line_host, line):
            push(line_host, data, store, login=Login(name="user", password="secret"))

    assert data == content.blobs["a", of_bytes(data)]
    assert line.logins[-1].startswith("Basic ")
    assert {""} == {*elsewhere.logins}


def test_a_login_that_ran_out_is_renewed_in_the_middle_of_a_push(
    host: str, store: Store, data: bytes
) -> None:
    asking = {"WWW-Authenticate": "Basic realm=x"}
    faults = [
        Fault(what="answer", method="PATCH", status=401, headers=asking, skip=skip)
        for skip in (1, 1)
    ]
    with proxy(host, *faults) as (line_host, line):
        push(line_host, data, store, login=Login(name="user", password="secret"))

    assert arrived(host, data)
    assert 1 == len(line.of("POST"))


def test_no_proxy_stands_between_us_and_this_machine(
    host: str, store: Store, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)

    assert "sent" == push(host, data, store)
