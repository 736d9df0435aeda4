"""Containers of a real Docker and a real Podman: what is sent, what runs, what is left."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import engine_programs as programs
import pytest
from engine_bench import Workbench, plain_root
from engine_watch import told

import harness
from harness.content.tree import Writer
from harness.core.errors import EngineUnavailable, JobFailed, StoreDamaged
from harness.engine import owner, reachable, shipment
from harness.engine.daemon import Session, spoken
from harness.engine.docker import Docker
from harness.engine.engine import Job, Mount
from harness.engine.select import select
from harness.image import tar
from harness.image.image import Image, Layer, Settings
from harness.world.store import Store

MIB = 1 << 20
LIBRARIES = Path(harness.__file__).parents[1]


def engine(bench: Workbench) -> Docker:
    assert isinstance(bench.engine, Docker)
    return bench.engine


@pytest.fixture
def session(contained: Workbench) -> Iterator[Session]:
    with engine(contained).daemon.session() as opened:
        yield opened


def layer(store: Store, title: str, files: dict[str, bytes], *folders: str) -> Layer:
    """Keep a layer of *files*, as the builder does."""
    tree = f"{title}-{uuid.uuid4().hex[:8]}"

    def fill(root: Path) -> None:
        writer = Writer(root, title)
        for folder in folders:
            writer.folder(folder)
        for name, data in files.items():
            writer.file(name, data)

    folder = store.tree(tree, fill)
    found = shipment.of_folder(folder).parts[0]
    return Layer(title=title, diff_id=found.diff_id, size=found.size, trees=(tree,))


def image(*layers: Layer) -> Image:
    return Image(
        architecture="amd64",
        settings=Settings(env=(("OF_THE_IMAGE", "1"),), labels=(("harness.layout", "test"),)),
        layers=layers,
    )


def laid_out(bench: Workbench, *layers: Layer) -> Job:
    """Return the job of *bench* in a new image: its root on disk, and *layers* on that."""
    root = engine(bench).store
    below = layer(root, "root", {"etc/new": uuid.uuid4().bytes}, *folders_of(bench.base.root))
    links = {p.name: os.readlink(p) for p in bench.base.root.iterdir() if p.is_symlink()}
    tree = root.root / "t" / below.trees[0]
    for name, target in links.items():
        (tree / name).symlink_to(target)
    found = shipment.of_folder(tree).parts[0]
    below = replace(below, diff_id=found.diff_id, size=found.size)
    return replace(bench.base, image=image(below, *layers), root=tree)


def folders_of(root: Path) -> list[str]:
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_dir() and not p.is_symlink()]


def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the bytes of every archive that a daemon is sent from now on."""
    sizes: list[int] = []
    load = Session.load

    def counted(self: Session, archive: Iterator[bytes]) -> None:
        chunks = list(archive)
        sizes.append(sum(map(len, chunks)))
        load(self, iter(chunks))

    monkeypatch.setattr(Session, "load", counted)
    return sizes


def test_what_runs_is_the_image_of_that_digest(contained: Workbench, session: Session) -> None:
    job = laid_out(contained, layer(engine(contained).store, "code", {"app/said": b"shipped"}))
    assert job.image is not None
    job = replace(job, argv=contained.python(programs_reads("/app/said")).argv)

    with engine(contained).start(job) as running:
        assert running.stdout.read(7) == b"shipped"
        assert session.image_of(running.container) == job.image.config


def programs_reads(path: str) -> str:
    return f"import sys; print(open({path!r}).read(), end='', flush=True); sys.stdin.read()"


def test_a_variable_of_the_image_is_not_the_jobs(contained: Workbench) -> None:
    """It gets those that it was given."""
    job = laid_out(contained)
    job = replace(job, argv=contained.job(programs.tells_its_world).argv, env={"LC_ALL": "C"})

    _, out = contained.engine.run(job)

    assert "OF_THE_IMAGE" not in json.loads(out)["env"]


def test_overlays_are_the_images_own_and_mounts_lie_over_them(
    contained: Workbench, tmp_path: Path
) -> None:
    """A mount over a part of the image is seen, and not the part."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "said").write_bytes(b"mounted")
    store = engine(contained).store
    code = layer(store, "code", {"app/said": b"shipped", "opt/model/said": b"kept"})
    job = laid_out(contained, code)
    overlays = tuple(
        Mount(source=store.root / "t" / code.trees[0] / home, target=f"/{home}", writable=False)
        for home in ("app", "opt/model")
    )
    mount = Mount(source=tmp_path / "code", target="/app", writable=False)
    job = replace(job, overlays=overlays, mounts=(*job.mounts, mount))
    job = replace(job, argv=contained.job(programs.reads, "/app/said", "/opt/model/said").argv)

    _, out = contained.engine.run(job)

    assert out == b"mounted\nkept\n"


def test_an_image_is_sent_once(contained: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    job = laid_out(contained)
    job = replace(job, argv=contained.job(programs.exits, "0").argv)
    sizes = sent(monkeypatch)

    contained.engine.run(job)
    contained.engine.run(job)

    assert len(sizes) == 1


def test_docker_is_sent_only_the_layers_that_it_lacks(
    docker_engine: Docker, base: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(engine=docker_engine, base=base)
    heavy = layer(docker_engine.store, "heavy", {"app/heavy": os.urandom(2 * MIB)})
    light = (layer(docker_engine.store, "code", {"app/said": word}) for word in (b"1", b"2"))
    sizes = sent(monkeypatch)

    first, second = (laid_out(bench, heavy, code) for code in light)
    assert first.image is not None and second.image is not None
    shared = first.image.layers[:2]  # the second image stands on the first one's lower layers
    jobs = [first, replace(first, image=image(*shared, second.image.layers[2]))]
    argv = bench.job(programs.reads, "/app/said").argv
    said = [bench.engine.run(replace(job, argv=argv))[1] for job in jobs]

    assert said == [b"1\n", b"2\n"]
    assert sizes[0] > 2 * MIB
    assert sizes[1] < 64 * 1024


def test_an_image_whose_known_layers_vanish_meanwhile_is_sent_whole(
    docker_engine: Docker, base: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Workbench(engine=docker_engine, base=base)
    job = laid_out(bench, layer(docker_engine.store, "code", {"app/said": uuid.uuid4().bytes}))
    monkeypatch.setattr(shipment, "_shared", lambda *_: 2)  # what was there a moment ago
    sizes = sent(monkeypatch)

    result, _ = bench.engine.run(replace(job, argv=bench.job(programs.exits, "0").argv))

    assert result.ok
    assert len(sizes) == 2


def test_a_layer_that_changed_on_disk_is_refused(contained: Workbench) -> None:
    store = engine(contained).store
    code = layer(store, "code", {"app/said": b"shipped"})
    job = laid_out(contained, code)
    (store.root / "t" / code.trees[0] / "app" / "said").write_bytes(b"SHIPPED")

    with pytest.raises(StoreDamaged, match="app/said has other bytes"):
        contained.engine.run(job)


def test_an_archive_has_the_sizes_that_it_says(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "tree", "t")
    writer.file("a", b"x" * 700)

    whole = b"".join(shipment.archive(shipment.of_folder(tmp_path / "tree")))

    assert len(whole) % 512 == 0
    assert b"".join(tar.stream({}))[:512] == bytes(512)


def test_nothing_is_left_of_a_job(contained: Workbench, session: Session) -> None:
    contained.engine.run(contained.job(programs.exits, "3"))
    contained.engine.run(contained.job(programs.never_ends, timeout=0.2))
    with pytest.raises(JobFailed):
        contained.engine.run(contained.command("/nothing"))

    assert session.containers(owner.LABEL) == ()
    assert not session.client.volumes()["Volumes"]


def test_a_label_names_the_container(contained: Workbench, session: Session) -> None:
    with contained.engine.start(contained.job(programs.never_ends, label="smoke train: a/b")):
        (listed,) = session.client.containers()

        assert "harness-smoke-train-a-b-" in listed["Names"][0]
        assert listed["Labels"]["harness.label"] == "smoke train: a/b"


def test_a_container_that_somebody_else_removes_was_ended_by_a_signal(
    contained: Workbench, session: Session
) -> None:
    with engine(contained).start(contained.job(programs.never_ends)) as running:
        running.stdout.readline()
        session.remove(running.container)

        result = running.wait()

    assert (result.reason, result.code) == ("signal", 9)


def test_a_program_whose_interpreter_is_missing_is_named(
    contained: Workbench, tmp_path: Path
) -> None:
    script = contained.base.root / "app" / "start"
    script.write_text("#!/opt/nothing\n")
    script.chmod(0o755)

    with pytest.raises(JobFailed, match=r"/app/start can't be run .* No such file"):
        contained.engine.run(contained.command("/app/start"))


def test_files_in_memory_count_as_memory(contained: Workbench) -> None:
    """The kernel counts them in a container's group; the sandbox bounds them by themselves."""
    code = "open('/tmp/big', 'wb').write(bytes(90 << 20)); import signal; signal.pause()"

    result, _ = contained.engine.run(contained.python(code, memory=60 * MIB, timeout=30.0))

    assert result.reason == "memory"


def test_the_kernels_settings_cannot_be_written(contained: Workbench) -> None:
    code = (
        "import json, sys\n"
        "said = []\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        open(path, 'w').close()\n"
        "        said.append(path)\n"
        "    except OSError:\n"
        "        pass\n"
        "print(json.dumps(said))"
    )
    paths = ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/dev/new", "/sys/new")

    assert told(contained, code, *paths) == []


def test_a_private_file_is_refused_with_the_way_out(contained: Workbench, tmp_path: Path) -> None:
    (tmp_path / "dev.csv").write_bytes(b"a")
    (tmp_path / "dev.csv").chmod(0o600)
    mount = Mount(source=tmp_path / "dev.csv", target="/data/dev.csv", writable=False)

    with pytest.raises(JobFailed, match="for its owner alone") as raised:
        contained.engine.run(contained.job(programs.exits, "0", mounts=(mount,)))

    assert raised.value.hint.startswith("chmod o+r ")


def test_a_tree_of_the_store_is_read_whatever_umask_made_it(contained: Workbench) -> None:
    store = engine(contained).store
    before = os.umask(0o077)
    try:
        code = layer(store, "code", {"app/deep/said": b"shipped"})
    finally:
        os.umask(before)
    folder = store.root / "t" / code.trees[0] / "app"
    (folder / "deep" / "said").chmod(0o600)
    mount = Mount(source=folder, target="/app", writable=False)

    _, out = contained.engine.run(contained.job(programs.reads, "/app/deep/said", mounts=(mount,)))

    assert out == b"shipped\n"


def test_of_two_mounts_at_one_place_the_later_is_seen(contained: Workbench, tmp_path: Path) -> None:
    mounts = []
    for word in ("one", "two"):
        (tmp_path / word).mkdir()
        (tmp_path / word / "said").write_text(word)
        mounts.append(Mount(source=tmp_path / word, target="/app", writable=False))

    _, out = contained.engine.run(contained.job(programs.reads, "/app/said", mounts=tuple(mounts)))

    assert out == b"two\n"


KILLED = """
import json, os, signal, sys
from pathlib import Path
from harness.engine.daemon import reach
from harness.engine.docker import Docker
from harness.engine.engine import Job, Mount
from harness.world.store import Store

asked = json.load(sys.stdin)
mounts = tuple(Mount(source=Path(s), target=t, writable=False) for s, t in asked["mounts"])
job = Job(root=Path(asked["root"]), argv=tuple(asked["argv"]), mounts=mounts)
engine = Docker(daemon=reach(Path(asked["socket"])), store=Store(Path(asked["store"])))
running = engine.start(job)
running.stdout.readline()
print(running.container, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_removed_by_the_next_and_nothing_else(
    contained: Workbench, session: Session
) -> None:
    docker = engine(contained)
    code = "import signal; print('ready', flush=True); signal.pause()"
    job = contained.python(code)
    asked = {
        "socket": str(docker.daemon.socket),
        "store": str(docker.store.root),
        "root": str(job.root),
        "argv": job.argv,
        "mounts": [(str(m.source), m.target) for m in job.mounts],
    }
    killed = subprocess.run(
        [sys.executable, "-c", KILLED],
        input=json.dumps(asked).encode(),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(LIBRARIES)},
        check=False,
    )
    left = killed.stdout.decode().strip()
    assert left, killed.stderr.decode()

    with ExitStack() as stack:
        ours = stack.enter_context(docker.start(job))
        before = {found for found, _ in session.containers(owner.LABEL)}
        select("docker", sockets=(docker.daemon.socket,), store=docker.store)
        after = {found for found, _ in session.containers(owner.LABEL)}

        assert before == {left, ours.container}
        assert after == {ours.container}


def test_an_owner_is_gone_only_when_that_is_certain() -> None:
    boot, namespace, process, began = owner.mine().split(" ")

    assert not owner.gone(owner.mine())
    assert owner.gone(f"{boot} {namespace} {process} {int(began) + 1}")
    assert owner.gone(f"{boot} {namespace} {2**22} 1")
    assert owner.gone(f"another-boot {namespace} {process} {began}")
    assert not owner.gone(f"{boot} another-namespace {process} 1")
    assert not owner.gone("nonsense")


def test_a_daemon_that_works_is_named(contained: Workbench) -> None:
    place = engine(contained).daemon.socket

    chosen, findings = select("docker", sockets=(place,), store=engine(contained).store)

    assert chosen == contained.engine
    assert [found.usable for found in findings] == [True]
    assert findings[0].what == f"works, with {engine(contained).daemon.words}"


def test_auto_takes_docker_where_the_sandbox_does_not_start(contained: Workbench) -> None:
    place = engine(contained).daemon.socket

    chosen, findings = select("auto", programs=(), sockets=(place,))

    assert chosen.name == "docker"
    assert [(found.engine, found.usable) for found in findings] == [
        ("sandbox", False),
        ("docker", True),
    ]


def test_a_newer_docker_is_spoken_to_in_the_oldest_api_that_it_knows() -> None:
    assert [spoken(least) for least in ("1.12", "1.41", "1.44", "1.100")] == [
        "1.41",
        "1.41",
        "1.44",
        "1.100",
    ]


def test_a_host_elsewhere_is_refused_in_words() -> None:
    chosen, findings = reachable.find(variables={"DOCKER_HOST": "tcp://192.0.2.1:2375"})

    assert chosen is None
    assert "tcp://192.0.2.1:2375" in findings[0].what
    assert "unset DOCKER_HOST" in findings[0].hint


def test_a_host_that_is_a_socket_of_this_machine_is_taken(contained: Workbench) -> None:
    docker = engine(contained)

    chosen, _ = reachable.find(
        store=docker.store, variables={"DOCKER_HOST": f"unix://{docker.daemon.socket}"}
    )

    assert chosen == docker


def test_no_daemon_at_all_names_the_places_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="no daemon of Docker or Podman listens") as raised:
        select("docker", sockets=(tmp_path / "a", tmp_path / "b"))

    assert raised.value.hint == reachable.START


def test_a_socket_of_something_else_is_no_daemon(open_folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(open_folder / "s"))
        server.listen()

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=hang_up)
        thread.start()
        try:
            _, findings = reachable.find((open_folder / "s",))
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()

    assert [found.usable for found in findings] == [False]
    assert str(open_folder / "s") in findings[0].what


def test_without_the_sdk_its_installation_is_the_hint(
    monkeypatch: pytest.MonkeyPatch, contained: Workbench
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)

    _, findings = reachable.find((engine(contained).daemon.socket,))

    assert findings[0].hint == 'pip install "model-harness[promote]"'


def test_a_socket_where_nobody_listens_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="No such file"):
        select("docker", sockets=(tmp_path / "a",))


def test_root_packed_twice_is_one_image(tmp_path: Path) -> None:
    ids = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        job = plain_root(tmp_path / name / "root", Path(sys.executable).resolve())
        ids.add(shipment.of_folder(job.root).config)

    assert len(ids) == 1
