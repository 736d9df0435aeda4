"""Bytes over HTTP and ``file:``: each once, in order, or one clear error."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lock_fakes import IMPATIENT, served

from harness.core.errors import NetworkUnavailable
from harness.world import http
from harness.world.http import Connection, NotFound, in_parallel


def test_a_file_arrives_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")

    with served(tmp_path) as server:
        assert b"bytes" == http.get(f"{server.address}/file", using=IMPATIENT)


@settings(max_examples=25, deadline=None)
@given(
    data=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 300), max_size=3),
    ranges=st.booleans(),
)
def test_a_transfer_cut_anywhere_still_gives_each_byte_once(
    data: bytes, cuts: list[int], ranges: bool
) -> None:
    patient = Connection(timeout=5.0, attempts=9, pause=lambda seconds: None)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "file").write_bytes(data)
        with served(Path(folder), ranges=ranges) as server:
            server.cuts["/file"] = list(cuts)

            assert data == http.get(f"{server.address}/file", using=patient)


def test_a_server_that_is_busy_is_asked_again_later_each_time_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    pauses: list[float] = []

    with served(tmp_path) as server:
        server.failures["/file"] = [503, 429]
        using = Connection(attempts=3, pause=pauses.append)
        data = http.get(f"{server.address}/file", using=using)

    assert b"bytes" == data
    assert 2 == len(pauses)
    assert pauses[0] < pauses[1]


def test_a_server_that_stays_busy_is_given_up_on(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.failures["/file"] = [503] * 9

        with pytest.raises(NetworkUnavailable, match="503"):
            http.get(f"{server.address}/file", using=IMPATIENT)

        assert IMPATIENT.attempts == len(server.asked)


def test_a_missing_file_is_not_found_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        with pytest.raises(NotFound):
            http.get(f"{server.address}/absent", using=IMPATIENT)

        assert ["/absent"] == server.asked


def test_a_refusal_is_no_missing_file(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.failures["/file"] = [403]

        with pytest.raises(NetworkUnavailable, match="403"):
            http.get(f"{server.address}/file", using=IMPATIENT)


def test_no_server_is_one_error_that_names_the_host_and_what_to_do() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(NetworkUnavailable, match=f"^{address} could not be reached") as failed:
        http.get(f"http://{address}/file", using=IMPATIENT)

    assert "harness doctor" in failed.value.hint


def test_a_password_is_sent_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")

    with served(tmp_path) as server:
        address = server.address.replace("http://", "http://ann:secret@")
        http.get(f"{address}/file", using=IMPATIENT)
        with pytest.raises(NotFound) as failed:
            http.get(f"{address}/absent", using=IMPATIENT)

    assert server.headers[0]["Authorization"] == "Basic YW5uOnNlY3JldA=="
    assert "secret" not in str(failed.value)


def test_a_folder_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"bytes")

    assert b"bytes" == http.get((tmp_path / "a file").as_uri())
    with pytest.raises(NotFound):
        http.get((tmp_path / "absent").as_uri())


@pytest.mark.parametrize("address", ["ftp://host/file", "data:,text", "/a/path"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(NetworkUnavailable, match="neither http, https nor file"):
        http.get(address)


def test_progress_counts_every_file() -> None:
    said: list[tuple[str, int, int]] = []

    in_parallel(lambda item: None, ["a", "b", "c"], progress=lambda *told: said.append(told))

    assert ["a", "b", "c"] == sorted(name for name, _, _ in said)
    assert [(1, 3), (2, 3), (3, 3)] == [(done, total) for _, done, total in said]


def test_the_first_failure_stops_what_has_not_begun() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise NotFound(f"http://host/{item}")

    with pytest.raises(NotFound, match=r"/0$"):
        in_parallel(work, list(range(50)), streams=2)

    assert len(begun) < 50


def test_nothing_to_do_is_done() -> None:
    in_parallel(lambda item: None, [])
