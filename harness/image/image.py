"""An image: a config and layers, as values.

Format: OCI image specification 1.1, ``config.md`` and ``layer.md``. The manifest names compressed
layers, so it belongs to what leaves the machine: ``pack.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, of_bytes

CONFIG = "application/vnd.oci.image.config.v1+json"
FOREIGN = "base image "
"""How the titles of a base image's layers begin."""
FORMAT = 2
"""Version of an image's record; one of another version is none."""
MOMENT = "1980-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "amd64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A compressed layer as it travels: its digest and its size in bytes."""

    digest: Digest
    size: int
    media_type: str = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer: *diff_id* names its tar, which is *size* bytes long.

    *trees* are the store's trees that it packs: from them a root is laid out, and the tar is made
    whenever it is wanted, so that no tar is ever kept. A layer that came from elsewhere has the
    *blob* that it came as; that of a base image can't be made again.
    """

    title: str
    diff_id: Digest
    size: int
    trees: tuple[str, ...]
    blob: Blob | None = None

    @property
    def foreign(self) -> bool:
        """Whether it is a base image's: a layer that others made."""
        return self.title.startswith(FOREIGN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a container of the image starts (the ``config`` member of the OCI config)."""

    env: tuple[tuple[str, str], ...]
    command: tuple[str, ...] = ()
    folder: str = "/"
    user: str = "65532:65532"
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """Layers from the lowest up, and how to start. Everything else follows from these."""

    architecture: str
    settings: Settings
    layers: tuple[Layer, ...]

    @property
    def config_bytes(self) -> bytes:
        """The OCI config; its digest is what Docker calls the image id."""
        return canonical.dumps(
            {
                "architecture": self.architecture,
                "os": "linux",
                "created": MOMENT,
                "config": {
                    "Env": [f"{name}={value}" for name, value in self.settings.env],
                    "Cmd": list(self.settings.command),
                    "WorkingDir": self.settings.folder,
                    "User": self.settings.user,
                    "Labels": dict(self.settings.labels),
                },
                "rootfs": {"type": "layers", "diff_ids": [x.diff_id for x in self.layers]},
                "history": [
                    {"created": MOMENT, "created_by": f"harness: {x.title}"} for x in self.layers
                ],
            }
        )

    @property
    def config(self) -> Digest:
        """The config's digest: what the image is, whatever compresses its layers."""
        return of_bytes(self.config_bytes)

    def body(self) -> dict[str, Any]:
        """Return the image as JSON, for the store's records."""
        return {"format": FORMAT, **asdict(self)}


def from_body(body: Mapping[str, Any]) -> Image:
    """Return the image of :meth:`Image.body`."""
    settings = body["settings"]
    return Image(
        architecture=body["architecture"],
        settings=Settings(
            env=tuple((n, v) for n, v in settings["env"]),
            command=tuple(settings["command"]),
            folder=settings["folder"],
            user=settings["user"],
            labels=tuple((n, v) for n, v in settings["labels"]),
        ),
        layers=tuple(_layer(layer) for layer in body["layers"]),
    )


def _layer(body: Mapping[str, Any]) -> Layer:
    blob = None if body["blob"] is None else Blob(**body["blob"])
    return Layer(**{**body, "trees": tuple(body["trees"]), "blob": blob})
