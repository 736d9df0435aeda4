"""An environment goes through a registry and comes out with the same bytes, or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lock_environments import ABOUT, body, declared, harness, locked, refused, wheel
from registries import registry

from harness.core.digest import of_bytes
from harness.core.errors import LockInvalid, NetworkUnavailable, ReleaseFinal, UnknownEnvironment
from harness.flows import environment as flow
from harness.lock import artifact, pylock, resolved, source
from harness.spec import parse
from harness.world import files
from harness.world.registry import Registry
from harness.world.store import Store

pytest.importorskip("httpx2", reason="httpx2 is not installed")
real = pytest.mark.requires_tool("docker-registry")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture
def place(host: str, tmp_path: Path) -> str:
    """A place in the registry of this test's own."""
    return f"oci://{host}/{of_bytes(str(tmp_path).encode())[7:27]}/envs"


@pytest.fixture
def envs(tmp_path: Path) -> Path:
    environment = locked(declared(tmp_path / "envs", more=ABOUT + 'smoke = "smoke.py"\n'))
    (environment.folder / "smoke.py").write_text("import app\n")
    return tmp_path / "envs"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@real
def test_what_is_published_is_pulled_with_the_same_bytes(
    envs: Path, place: str, store: Store
) -> None:
    environment = parse.environment(envs / "above")

    source.publish(environment, place)
    there = source.folder(place, "above:1", store)

    pulled = parse.find("above:1", there)
    assert environment.digest == pulled.digest
    assert pylock.read(environment) == pylock.read(pulled)
    for name in ("environment.toml", "pylock.1.toml", "smoke.py"):
        assert (envs / "above" / name).read_bytes() == (there / "above" / name).read_bytes()


@real
def test_release_publishes_and_publishing_again_does_nothing(
    envs: Path, place: str, tmp_path: Path
) -> None:
    first = harness(
        "env", "release", "above", "--envs", envs, "--to", place, "--output", "json",
        cache=tmp_path / "c",
    )  # fmt: skip
    again = harness(
        "env", "release", "above", "--envs", envs, "--to", place, "--output", "json",
        cache=tmp_path / "c",
    )  # fmt: skip

    assert (0, 0) == (first.exit_code, again.exit_code), first.output + again.output
    assert body(first)["published"] == body(again)["published"]
    assert body(first)["published"]["digest"].startswith("sha256:")


@real
def test_another_environment_under_a_published_version_is_refused(envs: Path, place: str) -> None:
    source.publish(parse.environment(envs / "above"), place)
    other = locked(declared(envs), [wheel(content=b"another build")])

    with pytest.raises(ReleaseFinal, match="above:1 is another above:1"):
        source.publish(other, place)


@real
def test_what_is_not_there_is_told_with_what_is(envs: Path, place: str, store: Store) -> None:
    source.publish(parse.environment(envs / "above"), place)

    with pytest.raises(UnknownEnvironment, match="there are above:1") as failed:
        source.folder(place, "above:2", store)
    with pytest.raises(UnknownEnvironment, match="no environment nothing:1"):
        source.folder(place, "nothing:1", store)

    assert 'did you mean "above:1"?' == failed.value.hint


@real
def test_an_image_is_no_environment(place: str, store: Store) -> None:
    host, path = source.split(place)
    with Registry(host) as door:
        empty = {"mediaType": "application/vnd.oci.empty.v1+json"}
        config = empty | {"digest": door.push_blob(f"{path}/above", b"{}"), "size": 2}
        document = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
        data = json.dumps(document | {"config": config, "layers": []}).encode()
        door.push_manifest(f"{path}/above", "1", data)

    with pytest.raises(LockInvalid, match="is no environment"):
        source.folder(place, "above:1", store)


def model(folder: Path, place: str) -> Path:
    folder.mkdir()
    (folder / "harness.toml").write_text(
        f'[environments]\nsource = "{place}"\n[model]\nname = "m"\nenvironment = "above:1"\n'
    )
    return folder


@real
def test_a_model_takes_its_environment_from_a_registry_and_then_needs_it_no_more(
    envs: Path, tmp_path: Path, store: Store
) -> None:
    with registry(tmp_path / "registry") as host:
        place = f"oci://{host}/envs"
        source.publish(parse.environment(envs / "above"), place)
        project = parse.project(model(tmp_path / "model", place))
        flow.found(project, "above:1", store)

    again = flow.found(project, "above:1", store)

    (one,) = resolved.read(tmp_path / "model")
    assert (place, files.digest_of(envs / "above/pylock.1.toml")) == (one.source, one.lock)
    assert one.lock == files.digest_of(again.lock_path)
    with pytest.raises(NetworkUnavailable):  # without the record nobody knows what was meant
        (tmp_path / "model" / resolved.FILE).unlink()
        flow.found(project, "above:1", Store(tmp_path / "other"))


@real
def test_a_registry_that_gives_another_lock_than_the_recorded_one_is_refused(
    envs: Path, place: str, tmp_path: Path
) -> None:
    other = locked(declared(tmp_path / "other"), [wheel(content=b"another build")])
    source.publish(other, place)
    folder = model(tmp_path / "model", place)
    kept = files.digest_of(envs / "above/pylock.1.toml")
    resolved.hold(folder, resolved.Resolved(name="above:1", lock=kept, source=place), among=())

    done = harness("env", "check", folder, cache=tmp_path / "cache")
    accepted = harness("env", "accept", folder, cache=tmp_path / "cache")

    assert 1 == done.exit_code
    assert "is another lock than the one recorded" in done.stdout
    assert 0 == accepted.exit_code, accepted.output
    assert 0 == harness("env", "check", folder, cache=tmp_path / "cache").exit_code


@real
def test_a_registrys_environment_is_shown_with_its_versions(
    envs: Path, place: str, tmp_path: Path
) -> None:
    source.publish(parse.environment(envs / "above"), place)
    locked(declared(envs, version=2))
    source.publish(parse.environment(envs / "above"), place)

    arguments = ("--envs", place, "--output", "json")
    newest = harness("env", "show", "above", *arguments, cache=tmp_path / "c")
    first = harness("env", "show", "above:1", *arguments, cache=tmp_path / "c")

    assert ("above:2", [1, 2]) == (body(newest)["name"], body(newest)["versions"])
    assert "above:1" == body(first)["name"]


@pytest.mark.parametrize("command", [("lock", "above"), ("fetch", "above"), ("env", "list")])
def test_what_needs_a_folder_says_so_of_a_registry(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = harness(*command, "--envs", "oci://127.0.0.1:9/envs", cache=tmp_path)

    refused(done, 2, "is a registry", "--envs FOLDER")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b", "", "."])
def test_a_file_that_leaves_the_folder_is_refused(name: str) -> None:
    manifest = artifact.manifest_of("above:1", {name: b"data"})

    with pytest.raises(LockInvalid, match="leaves the environment's folder"):
        artifact.unpacked(manifest, "oci://r/a", lambda digest: b"data")


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}(/[a-z.]{1,3}x)?", fullmatch=True), st.binary()))
def test_files_survive_the_artifact_in_any_order(content: dict[str, bytes]) -> None:
    blobs = {of_bytes(data): data for data in content.values()}
    manifest = artifact.manifest_of("above:1", content)

    backwards = artifact.manifest_of("above:1", dict(reversed(content.items())))

    assert manifest == backwards
    assert content == artifact.unpacked(manifest, "oci://r/a", blobs.__getitem__)


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"artifactType": 1}', b"\xff"])
def test_a_broken_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(LockInvalid, match="is no environment"):
        artifact.unpacked(data, "oci://r/a", lambda digest: b"")
