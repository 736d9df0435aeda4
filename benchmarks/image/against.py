"""From nothing to the first answered HTTP request: Harness beside docker build and buildah.

    python benchmarks/image/against.py [--rounds N] [--only SIDE …] [--folder F] [--output json]

One locked set of packages, all files local, on every side: Harness builds a root from Debian
packages and wheels and starts it in the sandbox; the others load an archive of a base image that
has Python already (made beforehand) and install the wheels with pip or uv. In each round every side
goes three ways, one after the other: *cold* (store, images and caches empty; the base image is
loaded), *one package changed*, *nothing changed*; each is timed to the image, and to the first
answer of a small server that listens on a unix socket without a network. Needs root, dockerd and
buildah; daemons of its own are started on private sockets. Reports medians and ratios of the
rounds' pairs.

Empty means new: each side of each round has a folder and a daemon of its own, and nothing is
removed before the end. ext4 is several times slower for a minute where much was just deleted.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    *("scikit-learn~=1.7", "pandas~=3.0", "pyarrow>=20", "matplotlib", "fastapi", "uvicorn>=0.30"),
    *("sqlalchemy", "requests", "jinja2", "orjson"),
)
CHANGED = "idna<3.10"
"""The one small package that is another version in the second lock."""
APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
SERVER = ("-m", "uvicorn", "app:app", "--app-dir", "/app", "--uds", "/data/s")
PATH = os.pathsep.join(["/usr/bin", "/usr/sbin", os.environ["PATH"]])
"""Daemon and client of one package: another client may know no BuildKit without a plugin."""
OURS = """
import sys, time, json
begun = time.time()
from pathlib import Path
from harness.engine.engine import Job, Mount
from harness.engine.select import select
from harness.image import build
from harness.lock import pylock
from harness.world.store import Store

if __name__ == "__main__":
    lock, store, app, shared = (Path(given) for given in sys.argv[1:5])
    built = build.environment(pylock.loads(lock.read_text()), Store(store))
    done = time.time()
    engine, _ = select("sandbox")
    job = Job(
        root=built.root,
        argv=(f"/usr/bin/python{built.interpreter.python}", *sys.argv[5:]),
        env=dict(built.image.settings.env),
        mounts=(
            Mount(source=app, target="/app", writable=False),
            Mount(source=shared, target="/data", writable=True),
        ),
    )
    ready = time.time()
    with engine.start(job) as running:
        print(json.dumps({"image": done, "start": ready, "rebuilt": built.rebuilt}), flush=True)
        running.wait()
"""


@dataclass(kw_only=True)
class Times:
    """Seconds of one way: to the image, to the first answer, and between start and answer."""

    image: float
    answer: float
    start: float


@dataclass(kw_only=True)
class Scene:
    """What all sides have: locks before and after, their wheels and an app. A side of a round has
    *place* to itself, and the command of a daemon of its own if it needs one."""

    folder: Path
    store: Path
    locks: dict[str, Path]
    wheels: dict[str, Path]
    app: Path
    archive: Path
    place: Path = Path()
    docker: tuple[str, ...] = ()
    found: dict[str, dict[str, list[Times]]] = field(default_factory=dict)


def run(*argv: str | Path, **options: Any) -> str:
    """Run a command; return what it printed."""
    options["env"] = {**os.environ, "PATH": PATH, **options.get("env", {})}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv))}: {done.stderr[-2000:]}")
    return done.stdout


def answered(place: Path, alive: Callable[[], bool]) -> float:
    """Return when the server at the unix socket *place* answered for the first time."""
    while True:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        try:
            connection.sock.connect(str(place))
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"ok"
            return time.time()
        except (FileNotFoundError, ConnectionError, http.client.HTTPException):
            if not alive():
                sys.exit(f"the server of {place} has ended")
            time.sleep(0.005)
        finally:
            connection.close()


@contextlib.contextmanager
def shared(scene: Scene) -> Iterator[Path]:
    """Give a folder that a server of any user may write a socket into."""
    with tempfile.TemporaryDirectory(dir=scene.folder) as name:
        os.chmod(name, 0o777)
        yield Path(name)


def ours(scene: Scene, which: str, cold: bool) -> Times:
    """One way of Harness."""
    store = scene.place / "store"
    if cold:
        (store / "blobs/sha256").mkdir(parents=True)
        for blob in (scene.store / "blobs/sha256").iterdir():
            os.link(blob, store / "blobs/sha256" / blob.name)
    script = scene.place / "ours.py"
    script.write_text(OURS)
    with shared(scene) as place:
        begun = time.time()
        process = subprocess.Popen(
            [sys.executable, script, scene.locks[which], store, scene.app, place, *SERVER],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
        )
        try:
            end = answered(place / "s", lambda: process.poll() is None)
            assert process.stdout is not None
            said = json.loads(process.stdout.readline())
        finally:
            process.terminate()
            process.wait()
    return Times(image=said["image"] - begun, answer=end - begun, start=end - said["start"])


def dockerfile(scene: Scene, which: str, tool: str) -> Path:
    """Write the folder that docker and buildah build from; return it."""
    folder = Path(tempfile.mkdtemp(dir=scene.place))
    (folder / "wheels").mkdir(parents=True)
    names = []
    for wheel in sorted(scene.wheels[which].glob("*.whl")):
        os.link(wheel, folder / "wheels" / wheel.name)
        names.append(f"/wheels/{wheel.name}\n")
    (folder / "requirements.txt").write_text("".join(names))
    install = {
        "pip": ["pip", "install", "--no-index", "--no-deps", "--break-system-packages"],
        "uv": [*("uv", "pip", "install", "--system", "--offline", "--no-deps")],
    }[tool.partition("-")[0]]
    if tool.startswith("uv"):
        install.append("--break-system-packages")
        if tool.endswith("-bytecode"):  # as pip does by itself, and Harness
            install.append("--compile-bytecode")
        shutil.copy(Path(sys.executable).with_name("uv"), folder / "uv")
    command = json.dumps([*install, "-r", "/requirements.txt"])
    lines = ["FROM localhost/base:1", "USER 0", "ENV HOME=/root"]
    lines += ["COPY uv /usr/local/bin/uv"] if tool.startswith("uv") else []
    if tool.endswith("-mounts"):
        mounts = (
            "--mount=type=bind,source=wheels,target=/wheels "
            "--mount=type=bind,source=requirements.txt,target=/requirements.txt "
            "--mount=type=cache,target=/root/.cache"
        )
        lines.append(f"RUN {mounts} {command}")
    else:
        lines += ["COPY requirements.txt /", "COPY wheels /wheels", f"RUN {command}"]
    (folder / "Dockerfile").write_text("\n".join(lines) + "\n")
    return folder


def docker(tool: str, scene: Scene, which: str, cold: bool) -> Times:
    """One way of docker build; with ``-mounts``, by BuildKit with bind and cache mounts."""
    kit = {"DOCKER_BUILDKIT": "1" if tool.endswith("-mounts") else "0"}
    name = f"made-{tool}"
    folder = dockerfile(scene, which, tool)
    begun = time.time()
    if cold:
        run(*scene.docker, "load", "--input", scene.archive)
        run(*scene.docker, "tag", "base:1", "localhost/base:1")
    run(*scene.docker, "build", "--network", "none", "--tag", name, folder, env=kit)
    image = time.time()
    with shared(scene) as place:
        start = time.time()
        container = run(
            *(*scene.docker, "run", "--detach", "--network", "none", "--read-only"),
            *("--volume", f"{scene.app}:/app:ro", "--volume", f"{place}:/data"),
            *(name, "python3", *SERVER),
        ).strip()
        end = answered(place / "s", lambda: True)
        run(*scene.docker, "rm", "--force", container)
    return Times(image=image - begun, answer=end - begun, start=end - start)


def buildah(tool: str, scene: Scene, which: str, cold: bool) -> Times:
    """One way of buildah; it has no server to run, so its image alone is timed."""
    root = ("--root", scene.place / "images", "--runroot", scene.place / "run")
    folder = dockerfile(scene, which, tool)
    begun = time.time()
    if cold:
        run("buildah", *root, "pull", f"docker-archive:{scene.archive}")
    run(
        *("buildah", *root, "build", "--layers", "--isolation", "chroot"),
        *("--tag", "made", folder),
    )
    taken = time.time() - begun
    return Times(image=taken, answer=float("nan"), start=float("nan"))


SIDES: dict[str, Callable[[Scene, str, bool], Times]] = {
    "harness": ours,
    "docker + pip": partial(docker, "pip"),
    "docker + uv": partial(docker, "uv"),
    "docker + uv, bytecode": partial(docker, "uv-bytecode"),
    "BuildKit, mounts + uv": partial(docker, "uv-mounts"),
    "buildah + pip": partial(buildah, "pip"),
}
SETS = (("before", ()), ("after", (CHANGED,)))
WAYS = (
    ("cold", "before", True),
    ("one package changed", "after", False),
    ("no change", "after", False),
)


def locked(folder: Path, cache: Path, *more: str) -> Path:
    """Lock and fetch the set of packages; return its folder."""
    folder.mkdir(parents=True)
    wanted = ", ".join(json.dumps(one) for one in (*REQUIREMENTS, *more))
    (folder / "environment.toml").write_text(
        f'name = "{folder.name}"\nversion = 1\npython = "3.11"\nresolver = "uv"\n'
        f'base = {{ debian = "bookworm" }}\nrequirements = [{wanted}]\nos = ["libgomp1"]\n'
    )
    for verb in ("lock", "fetch"):
        harness(cache, verb, folder.name, "--envs", folder.parent)
    return folder


def harness(cache: Path, *arguments: str | Path) -> str:
    """Run a command of Harness with a cache of the benchmark's own."""
    command = "from harness.cli.main import main; main()"
    told = {"HARNESS_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    return run(sys.executable, "-c", command, *arguments, env=told)


def base(folder: Path, cache: Path) -> Path:
    """Return the archive of the image that the others begin with: Debian, Python and pip."""
    spec = folder / "envs" / "base"
    spec.mkdir()
    (spec / "environment.toml").write_text(
        'name = "base"\nversion = 1\npython = "3.11"\nbase = { debian = "bookworm" }\n'
        'requirements = []\nos = ["python3-pip", "libgomp1"]\n'
    )
    harness(cache, "lock", "base", "--envs", spec.parent)
    archive = folder / "base.tar"
    harness(cache, "image", "export", "base", "--envs", spec.parent, "--to", archive)
    return archive


@contextlib.contextmanager
def daemon(folder: Path) -> Iterator[tuple[str, ...]]:
    """Give the client's command of a daemon of our own."""
    place = f"unix://{folder}/s"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("dockerd", "--data-root", folder / "data", "--exec-root", folder / "exec"),
                *("-H", place, "-p", folder / "pid"),
                *("--bridge=none", "--iptables=false", "--ip6tables=false"),
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": PATH},
        )
        client = ("docker", "-H", place)
        try:
            while subprocess.run([*client, "version"], capture_output=True).returncode:
                if process.poll() is not None:
                    sys.exit((folder / "log").read_text()[-2000:])
                time.sleep(0.05)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)


def measured(folder: Path, rounds: int, chosen: list[str]) -> Scene:
    """Return all that was timed, the sides one after the other in each round."""
    cache = folder / "cache"
    compileall.compile_dir(ROOT / "harness", quiet=1)  # as whoever installs Harness has it
    before, after = (locked(folder / "envs" / n, cache, *more) for n, more in SETS)
    app = folder / "app"
    app.mkdir()
    (app / "app.py").write_text(APP)
    scene = Scene(
        folder=folder,
        store=cache,
        locks={n.name: n / "pylock.1.toml" for n in (before, after)},
        wheels={n.name: n / "wheels" for n in (before, after)},
        app=app,
        archive=base(folder, cache),
    )
    for turn in range(rounds):
        for name in chosen:
            with side(scene, name, turn):
                for way, which, cold in WAYS:
                    os.sync()  # nobody waits for what was written before
                    times = SIDES[name](scene, which, cold)
                    scene.found.setdefault(name, {}).setdefault(way, []).append(times)
                    seconds = f"{times.image:7.2f} {times.answer:7.2f}"
                    line = f"{turn + 1}  {name:<24} {way:<20} {seconds}"
                    print(line, file=sys.stderr, flush=True)
    return scene


@contextlib.contextmanager
def side(scene: Scene, name: str, turn: int) -> Iterator[None]:
    """Let *name* have a new place, and a daemon where it needs one."""
    scene.place = scene.folder / f"{turn}-{list(SIDES).index(name)}"
    scene.place.mkdir()
    with contextlib.ExitStack() as stack:
        if name != "harness" and "buildah" not in name:
            scene.docker = stack.enter_context(daemon(scene.place))
        yield


def ratio(scene: Scene, name: str, way: str, what: str) -> float:
    """Return how many times longer a side takes than Harness: the median over the rounds."""
    pairs = zip(scene.found[name][way], scene.found["harness"][way], strict=True)
    return statistics.median(getattr(one, what) / getattr(own, what) for one, own in pairs)


def median(scene: Scene, name: str, way: str, what: str) -> float:
    """Return a side's median."""
    return statistics.median(getattr(one, what) for one in scene.found[name][way])


def table(scene: Scene) -> str:
    """Return what was timed as a person reads it (Markdown)."""
    lines = ["| | | image | | first answer | |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for name, ways in scene.found.items():
        for way in ways:
            cells = [name, way]
            for what in ("image", "answer"):
                if median(scene, name, way, what) != median(scene, name, way, what):  # not timed
                    cells += ["", ""]
                    continue
                cells += [f"{median(scene, name, way, what):.2f} s"]
                cells += [f"× {ratio(scene, name, way, what):.1f}" if name != "harness" else ""]
            lines.append(f"| {' | '.join(cells)} |")
    start = statistics.median(t.start for ways in scene.found["harness"].values() for t in ways)
    return "\n".join([*lines, "", f"sandbox start to first answer: {start:.2f} s"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=list(SIDES))
    parser.add_argument("--folder", type=Path, help="an empty folder, on a real disk")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    asked = parser.parse_args()
    chosen = ["harness", *(name for name in asked.only or SIDES if name != "harness")]
    with contextlib.ExitStack() as stack:
        folder = asked.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        scene = measured(folder.absolute(), asked.rounds, chosen)
        if asked.output == "json":
            found = {
                name: {way: [vars(one) for one in times] for way, times in ways.items()}
                for name, ways in scene.found.items()
            }
            print(json.dumps({"schema": "harness.benchmark.against/1", "sides": found}, indent=1))
        else:
            print(table(scene))


if __name__ == "__main__":
    main()
