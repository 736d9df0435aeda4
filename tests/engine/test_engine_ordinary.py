"""An ordinary user's containers: of root's Docker, where they may use its socket, and of a rootless
Podman of their own. What a job writes is theirs, whatever user the job was."""

from __future__ import annotations

import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import daemons
import pytest
from engine_bench import plain_root

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")

NEEDED = ("docker", "requests", "urllib3", "idna", "certifi", "charset_normalizer", "packaging")

JOBS = r"""
import json, os, shutil, socket, sys
from pathlib import Path
from harness.engine.engine import Job, Mount
from harness.engine.select import select
from harness.world.store import Store

root, store, python, daemon = sys.argv[1:]
engine, findings = select("docker", sockets=(Path(daemon),), store=Store(Path(store)))
homes = ("usr", "bin", "lib", "lib64")
mounts = tuple(
    Mount(source=Path("/") / home, target=f"/{home}", writable=False)
    for home in homes
    if (Path("/") / home).is_dir() and not (Path("/") / home).is_symlink()
)

def job(code, *more, **limits):
    return Job(
        root=Path(root),
        argv=(python, "-I", "-S", "-c", code),
        mounts=(*mounts, *more),
        **{"timeout": 60.0, **limits},
    )

result, out = engine.run(job("import os; print(os.getuid(), os.getgid(), os.getpid())"))
said = {"ids": out.decode().split()}
with Store(Path(store)).scratch() as folder:
    made = folder / "made"
    made.mkdir()
    writes = (
        "import os\n"
        "os.makedirs('/artifact/a/b')\n"
        "open('/artifact/a/b/weights', 'w').write('x')\n"
        "os.chmod('/artifact/a/b/weights', 0o600)\n"
        "open('/artifact/plain', 'w').write('y')\n"
    )
    engine.run(job(writes, Mount(source=made, target="/artifact", writable=True)))
    said["plain"] = (made / "plain").read_text()
    said["listed"] = sorted(path.name for path in made.rglob("*"))
said["removed"] = not folder.exists()
with Store(Path(store)).scratch() as folder:
    sockets = folder / "s"
    sockets.mkdir()
    serves = (
        "import os, socket\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind('/run/harness/http')\n"
        "os.chmod('/run/harness/http', 0o666)\n"  # as uvicorn does
        "server.listen()\n"
        "print('ready', flush=True)\n"
        "server.accept()[0].sendall(b'here')"
    )
    mount = Mount(source=sockets, target="/run/harness", writable=True)
    with engine.start(job(serves, mount)) as running, socket.socket(socket.AF_UNIX) as client:
        running.stdout.readline()
        client.connect(os.path.relpath(sockets / "http"))
        said["http"] = client.recv(9).decode()
pause = "import signal; signal.pause()"
said["memory"] = engine.run(job(f"x = b'x' * (400 << 20); {pause}", memory=100 << 20))[0].reason
said["timeout"] = engine.run(job(pause, timeout=0.3))[0].reason
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def ordinary(unavailable: Callable[[str], NoReturn]) -> pwd.struct_passwd:
    if (found := daemons.ordinary()) is None:
        unavailable("needs an ordinary user with a range in /etc/subuid")
    return found


@pytest.fixture
def libraries(open_folder: Path) -> Path:
    """Harness and the docker SDK where every user can read them."""
    target = open_folder / "libraries"
    for name in ("harness", *NEEDED):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None, name
        home = Path(spec.origin).parent
        shutil.copytree(home, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    return target


@pytest.fixture(params=["docker", "rootless podman"])
def daemon(
    request: pytest.FixtureRequest,
    ordinary: pwd.struct_passwd,
    requires_tool: Callable[..., None],
) -> Iterator[Path]:
    if request.param == "docker":
        socket: Path = request.getfixturevalue("docker_socket")
        modes = {path: path.stat().st_mode & 0o7777 for path in (socket, socket.parent)}
        socket.parent.chmod(0o711)
        socket.chmod(0o666)  # as for a member of the group docker
        yield socket
        for path, mode in modes.items():
            path.chmod(mode)
    else:
        requires_tool("podman", "runc", "newuidmap")
        with daemons.podman(user=ordinary.pw_uid) as socket:
            yield socket


def test_what_a_container_writes_is_its_users(
    daemon: Path, ordinary: pwd.struct_passwd, libraries: Path, open_folder: Path
) -> None:
    python = Path(shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable)
    plain_root(open_folder / "root", python.resolve())
    store = open_folder / "store"
    store.mkdir()
    os.chown(store, ordinary.pw_uid, ordinary.pw_gid)

    done = subprocess.run(
        [python, "-c", JOBS, open_folder / "root", store, python.resolve(), daemon],
        env={"PYTHONPATH": str(libraries), "PATH": os.environ["PATH"], "HOME": "/nonexistent"},
        cwd=open_folder,
        user=ordinary.pw_uid,
        group=ordinary.pw_gid,
        extra_groups=[],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    said: dict[str, Any] = json.loads(done.stdout)
    assert said == {
        "ids": ["65532", "65532", "1"],
        "plain": "y",
        "listed": ["a", "b", "plain", "weights"],
        "removed": True,
        "http": "here",
        "memory": "memory",
        "timeout": "timeout",
    }


def test_a_socket_that_is_not_for_this_user_is_named_with_the_remedy(
    docker_socket: Path, ordinary: pwd.struct_passwd, libraries: Path, open_folder: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from harness.engine.reachable import find\n"
        "print(find((Path(sys.argv[1]),))[1][0])"
    )
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable

    done = subprocess.run(
        [python, "-c", code, docker_socket],
        env={"PYTHONPATH": str(libraries), "PATH": os.environ["PATH"]},
        cwd=open_folder,
        user=ordinary.pw_uid,
        group=ordinary.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )

    assert "is not for this user" in done.stdout, done.stderr
    assert "usermod -aG docker" in done.stdout
