"""A container daemon on a socket of this machine: Docker's, or Podman's, which speaks the same.

The door to the docker SDK: nothing else imports it. What a daemon refuses is a
:class:`Refused`, in its own words. API: Docker Engine API 1.41; for Podman's own ``create``,
Podman's libpod API 4.0.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from harness.core.errors import EngineUnavailable

PATIENCE = 120.0
"""Seconds that a daemon may take for one answer; loading an image has no such limit."""
API = "1.41"
"""The version of Docker's API that is spoken, where the daemon still speaks it."""
LIBPOD = "/v4.0.0/libpod"


class Refused(Exception):
    """A daemon's answer that is no success: its HTTP *status* and *message*."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, kw_only=True, slots=True)
class Daemon:
    """What listens on *socket*: its version of the API, and what it can do here.

    *limits_memory* tells whether the kernel keeps a container's memory limit.
    """

    socket: Path
    product: str
    version: str
    api: str
    limits_memory: bool

    @property
    def podman(self) -> bool:
        """Whether it is Podman."""
        return self.product == "Podman"

    @property
    def words(self) -> str:
        """Name it for a person."""
        return f"{self.product} {self.version} at {self.socket}"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give connections of one's own, closed with the block."""
        client = _client(self.socket, version=self.api)
        try:
            yield Session(self, client)
        finally:
            client.close()


def reach(path: Path) -> Daemon:
    """Return the daemon that listens on the socket *path*.

    Raises EngineUnavailable without the SDK, OSError or Refused when nothing answers as a daemon.
    """
    with socket.socket(socket.AF_UNIX) as tried:  # the SDK hides why a socket can't be reached
        tried.settimeout(PATIENCE)
        tried.connect(str(path))
    with _refusals():
        client = _client(path, version="auto")
    try:
        with _refusals():
            said = client.version(api_version=False)
            system = client.info()
            podman = any("Podman" in part["Name"] for part in said.get("Components", ()))
            own = _libpod(client, "/info") if podman else {}
    finally:
        client.close()
    rootless = bool(own.get("host", {}).get("security", {}).get("rootless"))
    return Daemon(
        socket=path,
        product="Podman" if podman else "Docker",
        version=said["Version"],
        api=spoken(said.get("MinAPIVersion") or API),
        # Version 1 of cgroups can't be delegated to an ordinary user, whatever Podman says.
        limits_memory=bool(system.get("MemoryLimit"))
        and not (rootless and system.get("CgroupVersion") == "1"),
    )


def spoken(least: str) -> str:
    """Return the version of the API to speak with a daemon that knows none below *least*."""
    return max(API, least, key=lambda version: [int(part) for part in version.split(".")])


@dataclass(frozen=True, slots=True)
class Session:
    """Connections to a daemon. Every method raises Refused, or OSError when nobody listens."""

    daemon: Daemon
    client: Any

    def create(self, body: Mapping[str, Any], *, name: str) -> str:
        """Create a container; return its id. *body* is in the daemon's own form."""
        path = f"{LIBPOD}/containers/create" if self.daemon.podman else None
        url = self.client._url("/containers/create") if path is None else self._url(path)
        content = {**body, "name": name} if self.daemon.podman else body
        parameters = {} if self.daemon.podman else {"name": name}
        with _refusals():
            answer = self.client._post(
                url,
                params=parameters,
                data=json.dumps(content),
                headers={"Content-Type": "application/json"},
            )
            return str(self.client._result(answer, json=True)["Id"])

    def attach(self, container: str) -> socket.socket:
        """Return the container's standard streams as one two-way connection, before its start.

        What arrives is multiplexed (API, "Stream format"); shutting down the writing half ends
        the program's input.
        """
        with _refusals():
            raw = self.client.attach_socket(
                container, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
            )
        own = socket.socket(fileno=os.dup(raw.fileno()))
        own.settimeout(None)
        raw._response.close()  # our descriptor is another: the connection stays
        raw.close()
        return own

    def start(self, container: str) -> None:
        """Start it."""
        with _refusals():
            self.client.start(container)

    def state(self, container: str) -> Mapping[str, Any]:
        """Return its ``State``, as ``inspect`` tells it."""
        with _refusals():
            return cast(Mapping[str, Any], self.client.inspect_container(container)["State"])

    def image_of(self, container: str) -> str:
        """Return the id of the image that it runs."""
        with _refusals():
            return _full(self.client.inspect_container(container)["Image"])

    def signal(self, container: str, name: str) -> None:
        """Send process 1 a signal; one that has ended takes no notice."""
        try:
            with _refusals():
                self.client.kill(container, name)
        except Refused as refused:
            if refused.status not in (404, 409, 500):
                raise

    def remove(self, container: str) -> None:
        """Kill and remove it with its volumes; one that is gone is no error."""
        self.signal(container, "SIGKILL")  # Podman would ask it first, and wait ten seconds
        try:
            with _refusals():
                self.client.remove_container(container, force=True, v=True)
        except Refused as refused:
            if refused.status not in (404, 409):
                raise

    def containers(self, label: str) -> tuple[tuple[str, Mapping[str, str]], ...]:
        """Return id and labels of every container, running or not, that has *label*."""
        with _refusals():
            found = self.client.containers(all=True, filters={"label": label})
        return tuple((one["Id"], one["Labels"] or {}) for one in found)

    def image(self, name: str) -> tuple[str, tuple[str, ...]] | None:
        """Return id and diff_ids of the image *name* (or id); None when it isn't there."""
        try:
            with _refusals():
                found = self.client.inspect_image(name)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return _full(found["Id"]), tuple(found["RootFS"].get("Layers") or ())

    def images(self, label: str) -> tuple[str, ...]:
        """Return the ids of the images that have *label*."""
        with _refusals():
            return tuple(one["Id"] for one in self.client.images(filters={"label": label}))

    def load(self, archive: Iterator[bytes]) -> None:
        """Load a ``docker save`` archive, sent as it is made."""
        client = _client(self.daemon.socket, version=self.daemon.api, timeout=None)
        try:
            with _refusals():
                for line in client.load_image(archive):
                    if "error" in line:
                        raise Refused(500, str(line["error"]))
        finally:
            client.close()

    def used(self, container: str) -> int:
        """Return the bytes of memory that the container uses, by the daemon's own measure."""
        with _refusals():
            said = self.client.stats(container, stream=False, one_shot=True)
        figures = said.get("memory_stats") or {}
        details = figures.get("stats") or {}
        cached = details.get("total_inactive_file", details.get("inactive_file", 0))
        return max(0, int(figures.get("usage") or 0) - int(cached))

    def _url(self, path: str) -> str:
        return f"{self.client.base_url}{path}"


def _client(path: Path, *, version: str, timeout: float | None = PATIENCE) -> Any:
    import docker

    return docker.APIClient(base_url=f"unix://{path}", version=version, timeout=timeout)


def _require() -> None:
    try:
        import docker  # noqa: F401
    except ImportError as missing:
        raise EngineUnavailable(
            "the docker SDK is not installed", hint='pip install "model-harness[promote]"'
        ) from missing


def _libpod(client: Any, path: str) -> dict[str, Any]:
    return cast(
        dict[str, Any], client._result(client._get(f"{client.base_url}{LIBPOD}{path}"), json=True)
    )


def _full(identity: str) -> str:
    return identity if identity.startswith("sha256:") else f"sha256:{identity}"


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn the SDK's errors into Refused and OSError."""
    _require()
    import docker.errors
    import requests

    try:
        yield
    except docker.errors.APIError as error:
        message = error.explanation or str(error)
        raise Refused(error.status_code or 500, str(message)) from error
    except docker.errors.DockerException as error:
        raise Refused(500, str(error)) from error
    except requests.exceptions.RequestException as error:
        raise ConnectionError(f"the daemon does not answer: {error}") from error
