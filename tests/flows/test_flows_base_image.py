"""An image of others as a base: what it has stays, what must move moves with its reason, its layers
ship untouched, and every way in is checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import companies
import pytest
from companies import SITE
from packages import member
from packaging.requirements import Requirement
from registries import registry

from harness.core.digest import Digest, hexadecimal
from harness.core.errors import (
    AccessRefused,
    BuildFailed,
    HarnessError,
    HashMismatch,
    LockedFileGone,
    NotBuiltYet,
    PackageConflict,
    PackageRefused,
    PlatformMissing,
    SpecInvalid,
)
from harness.engine.engine import Job
from harness.engine.select import select
from harness.flows import bundle as bundles
from harness.flows import clean_room, patch
from harness.flows import environment as flow
from harness.flows.environment import Opened
from harness.image import base_pull, contents, model, pack, sbom
from harness.image import layout as layouts
from harness.image.recipe import Recipe
from harness.lock import advisories, base_image, diff, diff_settings, lines, pylock
from harness.lock.freedom import Freedom
from harness.lock.lock import Lock
from harness.lock.patch import Target
from harness.spec import parse
from harness.stages import imports
from harness.stages.load import Bench, Limits
from harness.world import clock, sources
from harness.world.store import Store

pytest.importorskip("uv", reason="uv is not installed")
pytestmark = pytest.mark.network
REQUIREMENTS = ("httpcore==1.0.5", "six", "numpy", "inhouse")
REAL = pytest.mark.requires_tool("docker-registry", "skopeo")
# htpasswd -nbB user secret
USERS = "user:$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"


@pytest.fixture(scope="module")
def store(cache: Path) -> Store:
    return Store(cache)


@pytest.fixture(scope="module")
def layout(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company's image, as a layout on disk."""
    folder = tmp_path_factory.mktemp("company")
    companies.company(store, folder / "layout", folder / "scratch")
    return folder / "layout"


@pytest.fixture(scope="module")
def digest(layout: Path) -> Digest:
    return Digest(json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"])


@pytest.fixture(scope="module")
def opened(
    layout: Path, digest: Digest, store: Store, tmp_path_factory: pytest.TempPathFactory
) -> Opened:
    """An environment on it, locked and built."""
    folder = tmp_path_factory.mktemp("on") / "on"
    environment = written(folder, f"oci:{layout}@{digest}")
    locked(folder, store)
    return flow.opened(environment, store, engine=engine)


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker's configuration of nobody: that of whoever runs the tests is not read."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))


def engine():  # type: ignore[no-untyped-def]
    return select("sandbox")[0]


def written(folder: Path, image: str, *requirements: str, more: str = ""):  # type: ignore[no-untyped-def]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "environment.toml").write_text(
        f'name = "{folder.name}"\nversion = 1\nresolver = "uv"\n'
        f"base = {{ image = {json.dumps(image)} }}\n"
        f"requirements = {json.dumps(requirements or REQUIREMENTS)}\n{more}"
    )
    return parse.environment(folder)


def locked(folder: Path, store: Store) -> Lock:
    environment = parse.environment(folder)
    _, (after,) = flow.locked(environment, store, engine=engine, free=Freedom(), now=clock.now())
    assert after == pylock.read(environment)
    return after


def ran(opened: Opened, program: str) -> str:
    built = opened.built
    job = Job(
        root=built.root,
        argv=(built.interpreter.inside, "-c", program),
        env=dict(built.image.settings.env),
        timeout=60,
    )
    result, out = engine().run(job)
    assert result.ok, result
    return out.decode()


def test_what_the_base_has_stays_and_is_not_installed_again(opened: Opened) -> None:
    lock = opened.lock

    assert lock.base is not None
    assert {"numpy", "inhouse", "uvicorn", "click"} <= lock.base.kept.keys()
    assert "1.0+corp" == lock.base.kept["inhouse"]  # no index has it
    assert {"certifi", "h11", "httpcore", "six"} == lock.pins.keys()
    assert ("3.11.2", "opt/venv/bin/python3", SITE) == (
        lock.base.python,
        lock.base.scheme.program,
        lock.base.scheme.site,
    )


def test_what_has_to_move_moves_with_the_chain_that_forces_it(opened: Opened) -> None:
    assert opened.lock.base is not None
    (move,) = opened.lock.base.moved

    assert ("h11", "0.16.0", "0.14.0") == (move.name, move.before, move.after)
    assert (
        "httpcore==1.0.5 is asked for",
        "httpcore 1.0.5 requires h11<0.15,>=0.13",
    ) == move.why


def test_its_interpreter_sees_one_version_of_everything(opened: Opened) -> None:
    said = ran(
        opened,
        "import sys, inhouse.core, numpy, six, h11, httpcore\n"
        "from importlib.metadata import distributions\n"
        "found = sorted((d.name, d.version) for d in distributions())\n"
        "assert len(found) == len({name for name, _ in found}), found\n"
        "print(sys.prefix, inhouse.core.ANSWER, h11.__version__, numpy.__version__)",
    )

    assert ["/opt/venv", "42", "0.14.0", "2.4.6"] == said.split()


def test_the_base_s_layers_ship_as_they_are(opened: Opened, digest: Digest, store: Store) -> None:
    base = base_image.read(digest, store)

    shipped = json.loads(pack.packed(opened.built.image, store).manifest_bytes)

    ours = [(one["digest"], one["size"]) for one in shipped["layers"]]
    theirs = [(layer.digest, layer.size) for layer in base.layers]
    assert theirs == ours[: len(theirs)]
    config = json.loads(opened.built.image.config_bytes)
    assert [x.diff_id for x in base.layers] == config["rootfs"]["diff_ids"][: len(theirs)]


@pytest.mark.requires_tool("umoci")
def test_others_unpack_it_to_what_jobs_here_have_seen(
    opened: Opened, store: Store, tmp_path: Path
) -> None:
    packed = pack.packed(opened.built.image, store)
    layouts.folder(packed, store, tmp_path / "l", reference="on:1")
    umoci = ["umoci", "unpack", "--image", f"{tmp_path / 'l'}:1", tmp_path / "bundle"]

    subprocess.run([*umoci, "--rootless"], check=True, capture_output=True)

    there = tmp_path / "bundle" / "rootfs"
    for folder in (SITE, "usr/local", "opt", "usr/lib/python3.11"):
        assert seen(there / folder) == seen(opened.built.root / folder)
    assert not (there / SITE / "junk.py").exists()
    assert not (there / SITE / "h11-0.16.0.dist-info").exists()
    assert (there / SITE / "h11-0.14.0.dist-info").is_dir()


def test_variables_of_the_base_stay_and_ours_win(opened: Opened) -> None:
    config = json.loads(opened.built.image.config_bytes)["config"]
    env = dict(one.split("=", 1) for one in config["Env"])

    assert ("yes", "1") == (env["COMPANY"], env["OMP_NUM_THREADS"])
    assert env["PATH"].startswith("/opt/venv/bin:")
    assert "65532:65532" == config["User"]
    assert "Entrypoint" not in config
    assert "example" == config["Labels"]["company"]
    assert "harness.model" not in config["Labels"]


def test_another_store_gives_the_same_digests(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    other = Store(tmp_path / "other")
    for wheel in opened.lock.packages:
        other.add(store.read(wheel.digest))
    environment = written(tmp_path / "on", f"oci:{layout}@{digest}")
    pylock.write(environment.lock_path, opened.lock)

    again = flow.opened(environment, other, engine=engine).built

    assert opened.built.image.config == again.image.config
    first, second = (
        pack.packed(image, place).digest
        for image, place in ((opened.built.image, store), (again.image, other))
    )
    assert first == second


def test_the_clean_room_is_about_what_we_add(opened: Opened, store: Store) -> None:
    bench = Bench(engine=engine(), env=opened.built.image.settings.env, limits=Limits(seconds=300))
    runnable = model.partial(opened.built, {"runtime": model.runtime_tree(store)}, store)

    found = imports.check(bench, runnable, outside=clean_room.outside(opened, store))

    assert found.passed, found
    assert {"certifi", "h11", "httpcore", "six"} == set(found.details["modules"])


def test_a_lock_and_its_image_are_the_same_in_a_comparison(opened: Opened, store: Store) -> None:
    side = diff.side((opened.lock,), label="lock", settings=diff_settings.of_locks((opened.lock,)))

    compared = diff.compare(
        contents.keyed(side), contents.side(opened.built.image, store, label="")
    )

    assert () == tuple(c for c in compared.changes if c.name != "h11")
    assert "  moved h11 0.16.0 → 0.14.0" in list(lines.lines((opened.lock,)))


def test_an_audit_asks_for_what_the_base_has_too(opened: Opened) -> None:
    asked = {
        (ecosystem, name, version)
        for ecosystem, name, version, _ in advisories.packages(opened.lock)
    }

    assert ("PyPI", "numpy", "2.4.6") in asked
    assert ("PyPI", "h11", "0.14.0") in asked
    assert ("PyPI", "h11", "0.16.0") not in asked
    assert ("Debian:12", "glibc") in {(ecosystem, name) for ecosystem, name, _ in asked}


def test_its_bill_of_materials_names_what_the_base_has_too(opened: Opened, store: Store) -> None:
    base = opened.lock.base
    assert base is not None

    found = sbom.sbom(opened.built.image, Recipe(lock=opened.lock), store)

    theirs = {
        one["name"]
        for one in found["components"]
        if {"name": "harness:from", "value": "base image"} in one.get("properties", ())
    }
    assert theirs >= {*base.kept, *(one.name for one in base.os), "cpython"}
    assert base.image in {one["name"] for one in found["components"] if one["type"] == "container"}
    assert "incomplete_first_party_only" == found["compositions"][0]["aggregate"]


def test_a_bundle_carries_the_base(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    environment = written(tmp_path / "envs" / "on", f"oci:{layout}@{digest}")
    pylock.write(environment.lock_path, opened.lock)
    bundles.pack([environment], tmp_path / "b.tar", store, now=clock.now())
    gone = written(tmp_path / "there" / "on", f"oci:{layout}@{digest}")  # of the same digest
    other = Store(tmp_path / "other")

    bundles.unpack(tmp_path / "b.tar", tmp_path / "there", other)

    assert base_image.here(digest, other)
    assert opened.lock == pylock.read(gone)


def child(opened: Opened, image: str, folder: Path, change: str) -> Path:
    """Write an environment whose parent is the one that was opened; return its folder."""
    pylock.write(written(folder / "on", image).lock_path, opened.lock)
    (folder / "child").mkdir()
    (folder / "child/environment.toml").write_text(
        f'name = "child"\nversion = 1\nfrom = "on:1"\nresolver = "uv"\n{change}\n'
    )
    return folder / "child"


def test_an_environment_on_such_a_one_keeps_what_both_have(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    folder = child(opened, f"oci:{layout}@{digest}", tmp_path, 'add = ["idna==3.6"]')

    lock = locked(folder, store)
    found = flow.opened(parse.environment(folder), store, engine=engine)

    assert opened.lock.base == lock.base
    assert opened.lock.pins | {"idna": "3.6"} == lock.pins
    assert lock.parent is not None
    assert ("on:1", opened.lock.digest, ()) == (
        lock.parent.reference, lock.parent.lock, lock.parent.moved,
    )  # fmt: skip
    assert "14.0 3.6" in ran(found, "import h11, idna; print(h11.__version__, idna.__version__)")
    theirs = {layer.diff_id for layer in opened.built.image.layers if layer.foreign}
    assert theirs == {layer.diff_id for layer in found.built.image.layers if layer.foreign}


def test_what_moves_in_it_is_told_of_the_parent_and_of_the_base(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    """What the parent had to move can be the base's own again."""
    image = f"oci:{layout}@{digest}"
    back = locked(child(opened, image, tmp_path / "a", 'replace = ["httpcore==1.0.9"]'), store)
    on = locked(child(opened, image, tmp_path / "b", 'add = ["click==8.1.7"]'), store)

    assert back.parent is not None and back.base is not None
    moves = {move.name: move for move in back.parent.moved}
    assert {"h11", "httpcore"} == moves.keys()
    assert ("0.14.0", "0.16.0") == (moves["h11"].before, moves["h11"].after)
    assert "httpcore 1.0.9 requires h11>=0.16" in moves["h11"].why
    assert () == back.base.moved
    assert "h11" not in back.pins
    assert on.parent is not None and on.base is not None and opened.lock.base is not None
    assert () == on.parent.moved, "click is no pin of the parent's own"
    assert ["click", "h11"] == [move.name for move in on.base.moved]
    assert opened.lock.base.moved[0] == on.base.moved[1]
    assert ("click==8.1.7 is asked for",) == on.base.moved[0].why


def test_a_layout_on_disk_is_found_from_wherever_the_child_lies(
    layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "layout").symlink_to(layout)
    locked(written(tmp_path / "on", f"oci:../layout@{digest}", "six").folder, store)
    places = {"near": "..", "team/envs/far": "../../.."}
    for place, source in places.items():
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "environment.toml").write_text(
            f'name = "{folder.name}"\nversion = 1\nfrom = "on:1"\nsource = "{source}"\n'
            'resolver = "uv"\nadd = ["idna==3.6"]\n'
        )

    locks = [locked(tmp_path / place, store) for place in places]

    said = [lock.base.image for lock in locks if lock.base is not None]
    assert [f"oci:../layout@{digest}", f"oci:../../../layout@{digest}"] == said
    assert locks[0].digest == locks[1].digest


def test_debian_packages_and_builds_are_refused_in_it(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    folder = child(opened, f"oci:{layout}@{digest}", tmp_path, 'os = ["libgomp1"]')

    with pytest.raises(SpecInvalid, match="not added to by Debian packages or builds"):
        locked(folder, store)


@pytest.mark.parametrize("name", ["on", "child"])
def test_neither_is_patched_yet_and_the_lock_stays(
    opened: Opened, layout: Path, digest: Digest, store: Store, tmp_path: Path, name: str
) -> None:
    folder = child(opened, f"oci:{layout}@{digest}", tmp_path, 'add = ["idna==3.6"]')
    locked(folder, store)
    environment = parse.environment(tmp_path / name)
    before = environment.lock_path.read_bytes()
    shop = patch.Shop(store=store, engine=engine, now=clock.now(), python=sources.python())

    found = patch.patched(
        Target(text="six<1.16", wanted=Requirement("six<1.16")), [environment], shop
    )

    assert isinstance(found.failed[f"{name}:1"], NotBuiltYet)
    assert before == environment.lock_path.read_bytes()


@pytest.fixture(scope="module")
def host(layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A registry with the same image, in OCI's form and in Docker's."""
    pytest.importorskip("httpx2", reason="httpx2 is not installed")
    with registry(tmp_path_factory.mktemp("registry")) as host:
        copied(layout, f"{host}/team/python:1")
        copied(layout, f"{host}/team/docker:1", "--format", "v2s2")
        yield host


@REAL
def test_docker_s_own_form_is_a_base_with_the_same_layers(
    host: str, opened: Opened, store: Store, tmp_path: Path
) -> None:
    name = f"{host}/team/docker:1"
    pinned = refused(tmp_path / "a", name, store).hint.split('"')[1]

    found = locked(written(tmp_path / "on", pinned).folder, store)

    assert found.base is not None and opened.lock.base is not None
    assert found.base.manifest != opened.lock.base.manifest
    one, other = (
        base_image.read(of.manifest, store).layers for of in (found.base, opened.lock.base)
    )
    assert [x.diff_id for x in one] == [x.diff_id for x in other]
    assert opened.lock.packages == found.packages


@REAL
def test_a_tag_is_refused_with_the_digest_to_paste(
    host: str, digest: Digest, store: Store, tmp_path: Path
) -> None:
    error = refused(tmp_path, f"{host}/team/python:1", store)

    assert isinstance(error, SpecInvalid)
    assert f'base = {{ image = "{host}/team/python:1@{digest}" }}' == error.hint


@REAL
def test_a_digest_that_is_not_there_is_told_with_what_the_tag_is(
    host: str, digest: Digest, store: Store, tmp_path: Path
) -> None:
    error = refused(tmp_path, f"{host}/team/python:1@sha256:{'0' * 64}", store)

    assert isinstance(error, LockedFileGone)
    assert f"1 is {digest} there" == error.hint


@REAL
def test_another_login_is_asked_for(store: Store, tmp_path: Path) -> None:
    (tmp_path / "users").write_text(USERS)
    with registry(tmp_path / "r", htpasswd=tmp_path / "users") as host:
        name = f"{host}/team/python@sha256:{'0' * 64}"
        error = refused(tmp_path / "on", name, store)

    assert isinstance(error, AccessRefused)
    assert f"docker login {host}" == error.hint


def test_another_python_than_the_asked_one_is_refused(
    layout: Path, digest: Digest, store: Store, tmp_path: Path
) -> None:
    error = refused(tmp_path, f"oci:{layout}@{digest}", store, more='python = "3.12"\n')

    assert isinstance(error, SpecInvalid)
    assert "has no Python 3.12: /opt/venv/bin/python3 is Python 3.11.2" in error.message


def test_an_image_without_a_python_is_refused(store: Store, tmp_path: Path) -> None:
    made = companies.small(tmp_path / "l", companies.tarred([member("etc/motd", b"hello\n")]))

    error = refused(tmp_path / "on", f"oci:../l@{made}", store)

    assert isinstance(error, BuildFailed)
    assert "has no Python that runs" in error.message


def test_files_where_a_model_lies_are_refused(store: Store, tmp_path: Path) -> None:
    made = companies.small(tmp_path / "l", companies.tarred([member("app/main.py", b"1\n")]))

    error = refused(tmp_path / "on", f"oci:../l@{made}", store)

    assert isinstance(error, PackageConflict)
    assert "has files in /app" in error.message


def test_an_artifact_is_no_base(store: Store, tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    made = companies.image(tmp_path / "l", {}, [])

    error = refused(tmp_path / "on", f"oci:../l@{made}", store)

    assert isinstance(error, PackageRefused)


def test_an_image_for_another_machine_is_refused(store: Store, tmp_path: Path) -> None:
    tar = companies.tarred([member("etc/motd", b"hello\n")])
    made = companies.small(tmp_path / "l", tar, architecture="s390x")

    error = refused(tmp_path / "on", f"oci:../l@{made}", store)

    assert isinstance(error, PlatformMissing)
    assert "is an image for linux/s390x, and linux/amd64 is wanted" in error.message


def test_the_image_of_this_machine_is_taken_from_an_index(store: Store, tmp_path: Path) -> None:
    tar = companies.tarred([member("etc/motd", b"hello\n")])
    made = {a: companies.small(tmp_path / "l", tar, architecture=a) for a in ("arm64", "amd64")}
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "mediaType": companies.MANIFEST,
                "digest": d,
                "size": 1,
                "platform": {"os": "linux", "architecture": a},
            }
            for a, d in made.items()
        ],
    }
    digest = companies.put(tmp_path / "l", json.dumps(index).encode())

    pulled = base_pull.pull(f"oci:l@{digest}", "amd64", store, folder=tmp_path)

    assert made["amd64"] == pulled.manifest
    with pytest.raises(
        PlatformMissing, match="no image for linux/riscv64; it has: linux/amd64, linux/arm64"
    ):
        base_pull.pull(f"oci:l@{digest}", "riscv64", store, folder=tmp_path)


def test_a_layer_of_other_bytes_is_never_accepted(store: Store, tmp_path: Path) -> None:
    tar = companies.tarred([member("etc/motd", b"hello\n")])
    made = companies.small(tmp_path / "l", tar)
    layer = json.loads((tmp_path / "l/blobs/sha256" / hexadecimal(made)).read_bytes())["layers"][0]
    path = tmp_path / "l/blobs/sha256" / hexadecimal(layer["digest"])
    path.write_bytes(path.read_bytes().replace(b"hello", b"hallo"))

    with pytest.raises(HashMismatch):
        base_pull.pull(f"oci:l@{made}", "amd64", Store(tmp_path / "s"), folder=tmp_path)


def refused(folder: Path, image: str, store: Store, *, more: str = "") -> HarnessError:
    written(folder, image, more=more)
    with pytest.raises(HarnessError) as raised:
        locked(folder, store)
    return raised.value


def seen(folder: Path) -> dict[str, int]:
    """Return the files and links below *folder*, with their sizes."""
    return {
        str(path.relative_to(folder)): path.lstat().st_size
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def copied(layout: Path, to: str, *options: str) -> None:
    plain = ("--dest-tls-verify=false", "--insecure-policy")
    subprocess.run(
        ["skopeo", *plain[1:], "copy", plain[0], *options, f"oci:{layout}", f"docker://{to}"],
        check=True,
        capture_output=True,
    )
