"""Real processes in every real engine: what they see, and that nothing of them is left."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import pytest
from engine_bench import Workbench
from engine_watch import marked, told

from harness.engine.engine import Mount

MIB = 1 << 20


def test_the_program_is_process_1_of_user_65532_without_capabilities(real: Workbench) -> None:
    world = told(
        real,
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


@pytest.mark.parametrize("real", ["sandbox", "docker"], indirect=True)
def test_no_new_user_namespace_can_be_made(real: Workbench) -> None:
    """Podman's filter of system calls lets one be made; docs/engine.md says so."""
    code = (
        "import ctypes, json\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "print(json.dumps([libc.unshare(0x10000000), ctypes.get_errno()]))"
    )

    assert told(real, code)[0] == -1


def test_nothing_of_the_network_is_reached(real: Workbench) -> None:
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

        world = told(real, code, str(port), name[1:])

    assert "reached" not in world["said"]
    assert world["said"][0] == "ConnectionRefusedError"
    assert world["interfaces"] == ["lo"]


def test_a_unix_socket_in_a_writable_mount_is_reached_from_outside(
    real: Workbench, tmp_path: Path
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
        real.engine.start(real.python(code, mounts=(mount,))) as running,
        socket.socket(socket.AF_UNIX) as client,
    ):
        assert running.stdout.readline() == b"ready\n"
        client.connect(os.path.relpath(sockets / "http"))

        assert client.recv(10) == b"here"


def test_the_memory_of_child_processes_counts(real: Workbench) -> None:
    code = (
        "import os, signal\n"
        "for _ in range(4):\n"
        "    if os.fork() == 0:\n"
        "        held = b'x' * (60 << 20)\n"
        "        signal.pause()\n"
        "signal.pause()"
    )

    result, _ = real.engine.run(real.python(code, memory=150 * MIB, timeout=30.0))

    assert result.reason == "memory"


def test_memory_shared_after_a_fork_counts_once(real: Workbench) -> None:
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

    with real.engine.start(real.python(code, memory=150 * MIB)) as running:
        assert running.stdout.readline() == b"ready\n"
        assert running.wait(timeout=0.3) is None
        running.stdin.close()
        result = running.wait()

    assert result.ok, result
    assert result.peak_memory <= 150 * MIB


def test_what_a_job_left_in_the_background_ends_with_it(real: Workbench) -> None:
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

    result, _ = real.engine.run(real.python(code, mark))

    assert result.ok
    assert marked(mark) == []
