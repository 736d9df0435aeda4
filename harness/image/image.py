"""An image: a config, layers and a manifest, as values.

Formats: OCI image specification 1.1, ``config.md``, ``layer.md`` and ``manifest.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, of_bytes

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MOMENT = "1980-01-01T00:00:00Z"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "amd64": "amd64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer. *diff_id* names the tar, *digest* the compressed tar; sizes are in bytes.

    *trees* are the store's trees that it packs, so that a root can be laid out without unpacking.
    """

    title: str
    diff_id: Digest
    digest: Digest
    size: int
    unpacked: int
    trees: tuple[str, ...]


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
        """The config's digest: the same whatever compressed the layers."""
        return of_bytes(self.config_bytes)

    @property
    def manifest_bytes(self) -> bytes:
        """The OCI manifest."""
        return canonical.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": CONFIG,
                    "digest": self.config,
                    "size": len(self.config_bytes),
                },
                "layers": [
                    {"mediaType": LAYER, "digest": x.digest, "size": x.size} for x in self.layers
                ],
            }
        )

    @property
    def digest(self) -> Digest:
        """The manifest's digest: what a registry calls the image."""
        return of_bytes(self.manifest_bytes)

    def body(self) -> dict[str, Any]:
        """Return the image as JSON, for the store's records and ``harness.build/1``."""
        return asdict(self)


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
        layers=tuple(Layer(**{**x, "trees": tuple(x["trees"])}) for x in body["layers"]),
    )
