"""An image as a company has it: a Debian Python below, a virtual environment of its own above, and
layers with whiteouts, hard links, a setuid program and a device, as other builders leave them."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import packages
from packages import member

from harness.core.digest import Digest, hexadecimal, of_bytes
from harness.image import build, layout, pack
from harness.lock import pylock
from harness.lock.fetch import fetch
from harness.world.store import Store

ROOT = Path(__file__).parents[1]
SITE = "opt/venv/lib/python3.11/site-packages"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
ENV = (
    "PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin",
    "COMPANY=yes",
    "OMP_NUM_THREADS=8",
)


def lock() -> Any:
    """Return the lock of what lies lowest."""
    return pylock.loads((ROOT / "envs/python/pylock.1.toml").read_text(encoding="utf-8"))


def company(store: Store, folder: Path, scratch: Path) -> Digest:
    """Write the image as an OCI layout at *folder*; return its digest. It has h11 0.16.0 twice (in
    the virtual environment and below it), numpy and uvicorn below, and inhouse 1.0+corp, which no
    index has."""
    locked = lock()
    fetch(locked, store)
    packed = pack.packed(build.environment(locked, store).image, store)
    layout.folder(packed, store, folder, reference="python:1")
    config = json.loads(packed.image.config_bytes)
    layers = [
        {"mediaType": blob.media_type, "digest": blob.digest, "size": blob.size}
        for blob in packed.blobs
    ]
    h11 = next(wheel for wheel in locked.packages if wheel.name == "h11")
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / h11.filename).write_bytes(store.read(h11.digest))
    inhouse = packages.wheel(scratch, "inhouse", "1.0+corp", {"inhouse/core.py": b"ANSWER = 42\n"})
    site = scratch / "site"
    pip = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet"]
    wheels = [scratch / h11.filename, inhouse]
    subprocess.run([*pip, "--no-compile", "--target", site, *wheels], check=True)
    for tar in (tarred(_venv(site)), tarred(_rest()), tarred(_whiteouts())):
        data = gzip.compress(tar, mtime=0)
        kind = "application/vnd.oci.image.layer.v1.tar+gzip"
        layers.append({"mediaType": kind, "digest": put(folder, data), "size": len(data)})
        config["rootfs"]["diff_ids"].append(of_bytes(tar))
        config["history"].append({"created_by": "RUN pip install"})
    config["config"] |= {
        "Env": list(ENV),
        "Entrypoint": ["/entry.sh"],
        "User": "",
        "Labels": {"company": "example", "harness.model": "not so"},
    }
    return image(folder, config, layers)


def image(folder: Path, config: Mapping[str, Any], layers: Iterable[Mapping[str, Any]]) -> Digest:
    """Write an image of *config* and *layers* into the layout at *folder*; return its digest."""
    said = json.dumps(config, indent=1).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, "digest": put(folder, said), "size": len(said)},
            "layers": list(layers),
        },
        indent=1,
    ).encode()
    digest = put(folder, manifest)
    one = {"mediaType": MANIFEST, "digest": digest, "size": len(manifest)}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [one]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return digest


def small(folder: Path, *tars: bytes, architecture: str = "amd64", **more: Any) -> Digest:
    """Write an image of uncompressed *tars* at *folder*; return its digest."""
    kind = "application/vnd.oci.image.layer.v1.tar"
    layers = [{"mediaType": kind, "digest": put(folder, t), "size": len(t)} for t in tars]
    config = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [of_bytes(tar) for tar in tars]},
        **more,
    }
    return image(folder, config, layers)


def put(folder: Path, data: bytes) -> Digest:
    """Keep *data* among the layout's blobs."""
    digest = of_bytes(data)
    path = folder / "blobs" / "sha256" / hexadecimal(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest


def tarred(members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """Return a plain tar of *members*."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _venv(site: Path) -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    settings = b"home = /usr/bin\ninclude-system-site-packages = true\nversion = 3.11.2\n"
    yield member("opt/venv/pyvenv.cfg", settings)
    yield member("opt/venv/bin/python", kind=tarfile.SYMTYPE, link="/usr/bin/python3.11")
    yield member("opt/venv/bin/python3", kind=tarfile.SYMTYPE, link="python")
    for path in sorted(site.rglob("*")):
        if path.is_file():
            yield member(f"{SITE}/{path.relative_to(site)}", path.read_bytes())
    yield member(f"{SITE}/junk.py", b"raise SystemExit\n")


def _rest() -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    yield member("entry.sh", b"#!/bin/sh\n", mode=0o755)
    yield member("usr/local/bin/root", b"a program\n", mode=0o4755)
    yield member("usr/local/bin/same", kind=tarfile.LNKTYPE, link="usr/local/bin/root")
    yield member("dev/console", kind=tarfile.CHRTYPE)
    yield member("lib/company.txt", b"through the link /lib\n")
    yield member("opt/cache/old/file", b"old\n")


def _whiteouts() -> Iterable[tuple[tarfile.TarInfo, bytes]]:
    yield member(f"{SITE}/.wh.junk.py")
    yield member("opt/cache/new", b"new\n")
    yield member("opt/cache/.wh..wh..opq")
