"""Tars, layers, layouts and ELF files, each against another reader of the same format."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.content.tree import Writer
from harness.content.union import merge
from harness.image import elf, layout, tar
from harness.image.image import Blob, Image, Layer, Settings, from_body
from harness.image.pack import Packed
from harness.image.partition import partition
from harness.world.store import Store

SIZES = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers(0, 3 << 20))


def packed(root: Path) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(b"".join(tar.stream(merge({"t": root})))))


def test_a_tar_names_parents_first_and_owns_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path, "t")
    writer.file("usr/bin/" + "long" * 40, b"x" * 1000, executable=True)
    writer.folder("tmp")
    writer.link("bin", "usr/bin")

    members = packed(tmp_path).getmembers()

    names = [m.name for m in members]
    assert names == ["bin", "tmp", "usr", "usr/bin", "usr/bin/" + "long" * 40]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {
        (0, 0, "", "", 315_532_800)
    }
    assert [oct(m.mode) for m in members] == ["0o777", "0o1777", "0o755", "0o755", "0o755"]


@given(SIZES)
def test_every_package_is_in_one_layer_and_there_are_never_too_many(sizes: dict[str, int]) -> None:
    groups = partition(sizes, prefix="os", buckets=4)

    placed = [name for names in groups.values() for name in names]
    assert sorted(placed) == sorted(sizes)
    assert len(groups) <= 25


@given(SIZES, st.text("xyz", min_size=1, max_size=3))
def test_a_new_small_package_moves_no_other(sizes: dict[str, int], new: str) -> None:
    before = partition(sizes, prefix="os", buckets=4)
    after = partition({**sizes, new: 10}, prefix="os", buckets=4)

    changed = [t for t in after if set(after[t]) - {new} != set(before.get(t, ()))]
    assert changed == []


def image(store: Store) -> Image:
    blob = store.add(b"layer")
    return Image(
        architecture="amd64",
        settings=Settings(env=(("A", "b"),), labels=(("l", "1"),)),
        layers=(Layer(title="base", diff_id=blob, size=5, trees=("t1", "t2")),),
    )


def test_an_image_survives_its_record(tmp_path: Path) -> None:
    made = image(Store(tmp_path))

    again = from_body(json.loads(json.dumps(made.body())))

    assert again == made
    assert again.config == made.config


def test_an_archive_is_the_same_bytes_twice_and_holds_what_docker_and_oci_read(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store")
    made = Packed(image=image(store), blobs=(Blob(digest=store.add(b"layer"), size=5),))
    store.add(made.image.config_bytes)
    store.add(made.manifest_bytes)

    for name in ("one.tar", "two.tar"):
        layout.archive(made, store, tmp_path / name, reference="thing:1")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as archive:
        names = archive.getnames()
    assert {"oci-layout", "index.json", "manifest.json"} <= set(names)


def test_the_interpreter_that_runs_this_test_needs_libc() -> None:
    parsed = elf.parse(Path(sys.executable).resolve().read_bytes())

    assert parsed is not None
    assert any(name.startswith("libc.so") for name in parsed.needed)


@given(st.data())
def test_a_program_that_is_cut_short_or_spoilt_never_needs_what_it_does_not(
    data: st.DataObject,
) -> None:
    whole = Path(sys.executable).resolve().read_bytes()
    sound = elf.parse(whole)
    assert sound is not None
    cut = elf.parse(whole[: data.draw(st.integers(0, len(whole)))])
    at, noise = data.draw(st.integers(6, 400)), data.draw(st.binary(min_size=1, max_size=64))

    spoilt = elf.parse(whole[:at] + noise + whole[at + len(noise) :])

    assert cut is None or set(cut.needed) <= set(sound.needed)
    assert spoilt is None or at < 20 or spoilt.machine == sound.machine


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 20, b"\x7fELF\x02\x01"])
def test_what_is_no_program_is_none(data: bytes) -> None:
    assert elf.parse(data) is None
