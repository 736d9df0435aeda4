"""What every engine promises; fake, sandbox, Docker and Podman keep it alike."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import engine_programs as programs
import pytest
from engine_bench import Workbench

from harness.core.errors import JobFailed
from harness.engine.engine import Mount, Running
from harness.engine.exchange import run_to_end

MIB = 1 << 20


def await_ready(running: Running) -> None:
    assert running.stdout.readline() == b"ready\n"


def test_exit_code_zero_is_ok(bench: Workbench) -> None:
    result, _ = bench.engine.run(bench.job(programs.exits, "0"))

    assert (result.reason, result.code, result.ok) == ("exited", 0, True)


@pytest.mark.parametrize("code", [1, 7, 128, 255])
def test_another_exit_code_comes_back_and_is_not_ok(bench: Workbench, code: int) -> None:
    result, _ = bench.engine.run(bench.job(programs.exits, str(code)))

    assert (result.reason, result.code, result.ok) == ("exited", code, False)


def test_a_crash_names_its_signal(bench: Workbench) -> None:
    result, _ = bench.engine.run(bench.job(programs.crashes))

    assert (result.reason, result.code, result.ok) == ("signal", 11, False)


def test_an_exception_is_code_1_with_its_traceback(bench: Workbench) -> None:
    result, _ = bench.engine.run(bench.job(programs.raises))

    assert (result.reason, result.code) == ("exited", 1)
    assert "RuntimeError: the tree has no leaves" in result.stderr_tail


def test_a_megabyte_goes_in_and_comes_out_unchanged(bench: Workbench) -> None:
    data = bytes(range(256)) * 4096

    result, out = bench.engine.run(bench.job(programs.echoes), stdin=data)

    assert result.ok
    assert out == data


def test_a_dialogue_needs_no_closed_input(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.answers_lines)) as running:
        for word in (b"one\n", b"two\n", b"three\n"):
            running.stdin.write(word)
            running.stdin.flush()
            assert running.stdout.readline() == word.upper()
        running.stdin.close()

        assert running.wait().ok


def test_two_jobs_run_at_once(bench: Workbench) -> None:
    job = bench.job(programs.answers_lines)

    with bench.engine.start(job) as one, bench.engine.start(job) as two:
        for running, word in ((one, b"a\n"), (two, b"b\n"), (one, b"c\n"), (two, b"d\n")):
            running.stdin.write(word)
            running.stdin.flush()
            assert running.stdout.readline() == word.upper()
        one.kill()
        one.wait()
        two.stdin.close()

        assert two.wait().ok


def test_a_program_need_not_read_its_input(bench: Workbench) -> None:
    job = bench.job(programs.ignores_its_input)

    result, out = bench.engine.run(job, stdin=bytes(8 * MIB))

    assert result.ok
    assert out == b"done"


def test_only_the_end_of_stderr_is_kept(bench: Workbench) -> None:
    result, _ = bench.engine.run(bench.job(programs.talks_much))

    assert result.ok
    assert len(result.stderr_tail) == 64 * 1024
    assert result.stderr_tail.endswith("line 19998\nline 19999\n")


def test_stdout_beyond_the_bound_is_counted_and_dropped(bench: Workbench) -> None:
    data = b"0123456789" * 50_000

    result, out = run_to_end(bench.engine, bench.job(programs.echoes), stdin=data, limit=100)

    assert result.ok
    assert out == data[:100]
    assert result.dropped == len(data) - 100


def test_a_job_that_takes_too_long_ends_with_timeout(bench: Workbench) -> None:
    result, out = bench.engine.run(bench.job(programs.never_ends, timeout=0.5))

    assert (result.reason, result.code, result.ok) == ("timeout", 9, False)
    assert 0.5 <= result.seconds < 10
    assert out == b"ready\n"


def test_a_job_that_takes_too_much_ends_with_memory(bench: Workbench) -> None:
    job = bench.job(programs.eats_and_waits, str(200 * MIB), memory=100 * MIB)

    result, _ = bench.engine.run(job)

    assert (result.reason, result.code, result.ok) == ("memory", 9, False)
    assert result.peak_memory >= 100 * MIB  # a kernel that keeps the limit lets it have no more


def test_a_job_below_its_memory_limit_goes_on(bench: Workbench) -> None:
    job = bench.job(programs.eats_and_waits, str(60 * MIB), memory=100 * MIB)

    with bench.engine.start(job) as running:
        await_ready(running)
        assert running.wait(timeout=0.5) is None
        running.terminate()
        result = running.wait()

    assert result.ok
    assert 60 * MIB <= result.peak_memory < 100 * MIB


def test_sigterm_reaches_the_program_and_its_exit_code_comes_back(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.waits_for_sigterm)) as running:
        await_ready(running)

        running.terminate()

        result = running.wait()
        assert (result.reason, result.code) == ("exited", 42)


def test_a_pause_without_sigterm_ends_by_itself(bench: Workbench) -> None:
    result, _ = bench.engine.run(bench.job(programs.pauses_briefly))

    assert result.ok


def test_kill_ends_a_program_that_takes_no_notice_of_sigterm(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.never_ends)) as running:
        await_ready(running)
        running.terminate()
        assert running.wait(timeout=0.05) is None

        running.kill()

        result = running.wait()
        assert (result.reason, result.code) == ("signal", 9)
        assert running.stdout.read() == b""


def test_kill_right_after_the_start_is_no_error(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.never_ends)) as running:
        running.kill()

        assert running.wait().reason == "signal"


def test_leaving_the_context_ends_the_job(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.never_ends)) as running:
        await_ready(running)

    assert running.wait().reason == "signal"


def test_orders_after_the_end_change_nothing(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.exits, "3")) as running:
        before = running.wait()

        running.terminate()
        running.kill()

        assert running.wait() is before
        assert before.code == 3


def test_writing_to_a_program_that_is_gone_is_a_broken_pipe(bench: Workbench) -> None:
    with bench.engine.start(bench.job(programs.exits, "0")) as running:
        running.wait()

        with pytest.raises(BrokenPipeError):
            running.stdin.write(bytes(1 << 20))
            running.stdin.flush()


def test_a_job_outlives_the_thread_that_started_it(bench: Workbench) -> None:
    started: list[Running] = []
    thread = threading.Thread(
        target=lambda: started.append(bench.engine.start(bench.job(programs.waits_for_sigterm)))
    )
    thread.start()
    thread.join()

    with started[0] as running:
        await_ready(running)
        running.terminate()

        assert running.wait().code == 42


def test_the_environment_is_what_was_given_and_the_working_directory(bench: Workbench) -> None:
    job = bench.job(programs.tells_its_world, "x", "", "ä b", env={"LC_ALL": "C", "Ü": "1=2\n"})

    result, out = bench.engine.run(job)

    world = json.loads(out)
    assert result.ok
    added = {name: world["env"].pop(name, None) for name in ("HOME", "HOSTNAME")}
    assert added == bench.adds
    assert world["env"] == {"LC_ALL": "C", "Ü": "1=2\n", "PWD": "/"}
    assert world["argv"] == ["tells_its_world", "x", "", "ä b"]


def test_the_working_directory_is_the_one_that_was_given(bench: Workbench) -> None:
    _, out = bench.engine.run(bench.job(programs.tells_its_world, cwd="/app"))

    world = json.loads(out)
    assert world["cwd"] == world["env"]["PWD"] == "/app"


def test_only_a_writable_mount_can_be_written(bench: Workbench, tmp_path: Path) -> None:
    artifact, code = tmp_path / "made", tmp_path / "code"
    artifact.mkdir()
    code.mkdir()
    mounts = (
        Mount(source=artifact, target="/artifact", writable=True),
        Mount(source=code, target="/app", writable=False),
    )
    outside = ("/new", "/etc/motd", "/etc/new", "/app/new", "/opt/model/new", "/data/new")
    job = bench.job(programs.writes, "/artifact/new", *outside, mounts=mounts)

    result, out = bench.engine.run(job)

    assert result.ok
    said = out.decode().splitlines()
    assert said == ["/artifact/new written", *(f"{path} OSError 30" for path in outside)]
    assert (artifact / "new").read_bytes() == b"written inside"
    assert list(code.iterdir()) == []
    assert (bench.base.root / "etc" / "motd").read_bytes() == b"the image's own"


@pytest.mark.parametrize("folder", ["/tmp", "/run", "/run/harness"])
def test_each_job_has_its_own_scratch_folders(bench: Workbench, folder: str) -> None:
    path = f"{folder}/harness-test"

    _, wrote = bench.engine.run(bench.job(programs.writes, path))
    _, read = bench.engine.run(bench.job(programs.reads, path))

    assert wrote.decode() == f"{path} written\n"
    assert read == b"FileNotFoundError\n"
    assert not os.path.exists(path)
    assert not (bench.base.root / path[1:]).exists()


def test_what_this_machine_has_in_tmp_is_not_seen(bench: Workbench, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"of another")

    _, out = bench.engine.run(bench.job(programs.reads, str(secret), "/etc/motd", "/etc/profile"))

    assert out == b"FileNotFoundError\nthe image's own\nFileNotFoundError\n"


def test_files_can_be_mounted_into_an_empty_folder(bench: Workbench, tmp_path: Path) -> None:
    for name in ("train.csv", "dev.csv"):
        (tmp_path / name).write_bytes(name.encode())
    mounts = tuple(
        Mount(source=tmp_path / name, target=f"/data/{name}", writable=False)
        for name in ("train.csv", "dev.csv")
    )
    paths = ("/data/train.csv", "/data/dev.csv")

    _, read = bench.engine.run(bench.job(programs.reads, *paths, mounts=mounts))
    _, wrote = bench.engine.run(bench.job(programs.writes, *paths, "/data/x", mounts=mounts))

    assert read == b"train.csv\ndev.csv\n"
    assert [line.split()[1:] for line in wrote.decode().splitlines()] == [["OSError", "30"]] * 3
    assert list((bench.base.root / "data").iterdir()) == []


def test_a_mount_lies_over_what_an_earlier_one_brought(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "code" / "weights").mkdir(parents=True)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "w").write_bytes(b"heavy")
    mounts = (
        Mount(source=tmp_path / "code", target="/app", writable=False),
        Mount(source=tmp_path / "weights", target="/app/weights", writable=False),
    )

    _, out = bench.engine.run(bench.job(programs.reads, "/app/weights/w", mounts=mounts))

    assert out == b"heavy\n"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/srv/deep", "no such folder"),
        ("/etc/motd", "no such folder"),
        ("/etc/new", "no such folder"),
        ("relative", "no place"),
        ("/app/../etc", "no place"),
        ("/", "no place"),
        ("/proc", "can't be replaced"),
        ("/proc/sys", "can't be replaced"),
        ("/tmp", "can't be replaced"),
    ],
)
def test_a_mount_without_a_place_is_refused(bench: Workbench, target: str, said: str) -> None:
    mount = Mount(source=bench.base.root / "app", target=target, writable=False)

    with pytest.raises(JobFailed, match=said):
        bench.engine.run(bench.job(programs.exits, "0", mounts=(mount,)))


def test_a_mount_through_a_symbolic_link_is_refused(bench: Workbench) -> None:
    (bench.base.root / "way").symlink_to("/app")
    mount = Mount(source=bench.base.root / "etc", target="/way", writable=False)

    with pytest.raises(JobFailed, match="/way"):
        bench.engine.run(bench.job(programs.exits, "0", mounts=(mount,)))


def test_a_mount_of_nothing_is_refused_by_name(bench: Workbench, tmp_path: Path) -> None:
    mount = Mount(source=tmp_path / "gone", target="/artifact", writable=True)

    with pytest.raises(JobFailed, match="gone, to be mounted at /artifact, does not exist"):
        bench.engine.run(bench.job(programs.exits, "0", mounts=(mount,)))


def test_a_root_without_mount_points_is_refused(bench: Workbench) -> None:
    (bench.base.root / "run").rmdir()

    with pytest.raises(JobFailed, match="lacks /run"):
        bench.engine.run(bench.job(programs.exits, "0"))


def test_a_program_that_is_not_there_is_named(bench: Workbench) -> None:
    with bench.engine.start(bench.command("/opt/model/nothing")) as running:
        assert running.stdout.read() == b""

        with pytest.raises(JobFailed, match=r"/opt/model/nothing can't be run .* No such file"):
            running.wait()


def test_a_working_directory_that_is_not_there_is_named(bench: Workbench) -> None:
    with pytest.raises(JobFailed, match="/nowhere is no folder of the image"):
        bench.engine.run(bench.job(programs.exits, "0", cwd="/nowhere"))


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd"))


def test_no_thread_and_no_descriptor_is_left(bench: Workbench) -> None:
    bench.engine.run(bench.job(programs.exits, "0"))
    threads, before = threading.enumerate(), descriptors()

    bench.engine.run(bench.job(programs.exits, "1"), stdin=bytes(MIB))
    bench.engine.run(bench.job(programs.never_ends, timeout=0.2))
    bench.engine.run(bench.job(programs.eats_and_waits, str(50 * MIB), memory=40 * MIB))
    with pytest.raises(JobFailed):
        bench.engine.run(bench.command("/nothing"))
    with pytest.raises(JobFailed):
        bench.engine.start(bench.job(programs.exits, "0", root=Path("/nowhere")))
    with bench.engine.start(bench.job(programs.never_ends)):
        pass

    assert threading.enumerate() == threads
    assert descriptors() == before
