"""The whole line in containers of a real Docker: what a sandbox decided is decided there too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from line_command import Command, Story

from harness.engine import owner
from harness.engine.daemon import reach


def test_docker_comes_to_the_same_verdict_on_the_same_image(
    harness: Command, story: Story, tiny: Callable[..., Path], docker_socket: Path
) -> None:
    docker = harness.having(DOCKER_HOST=f"unix://{docker_socket}")

    run = docker("promote", tiny(), "--engine", "docker", "--output", "json")

    sandbox = story.runs["first"].body
    assert run.code == 0, run.err
    assert run.body["engine"] == "docker"
    for what in ("verdict", "why", "image", "rule", "level", "look"):
        assert sandbox[what] == run.body[what], what
    assert [(stage["stage"], stage["outcome"]) for stage in sandbox["stages"]] == [
        (stage["stage"], stage["outcome"]) for stage in run.body["stages"]
    ]
    with reach(docker_socket).session() as session:
        config = sandbox["image"]["config"]
        assert session.image(config) is not None  # what ran is what ships
        assert session.containers(owner.LABEL) == ()
