"""Two locks and a store that has their packages: what the tests of differences look at."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harness.content import deb as deb_content
from harness.content import scheme
from harness.content import wheel as wheel_content
from harness.core.digest import of_bytes
from harness.image import build
from harness.image import trees as room
from harness.image.image import Image, Layer, Settings
from harness.lock import diff, diff_settings
from harness.lock.diff import Side
from harness.lock.diff_facts import Shelf
from harness.lock.lock import Deb, Lock, Wheel
from harness.world.store import Store

SPECS = of_bytes(b"the first"), of_bytes(b"the second")
_OLD = "def kept(): ...\ndef old(): ...\n"
_NEW = "def kept(): ...\n"


def soname(data: bytes) -> str:
    """Stands in for an ELF reader: a library here is the word soname and its name."""
    return data.decode().removeprefix("soname ") if data.startswith(b"soname ") else ""


@dataclass(frozen=True)
class Scene:
    before: Lock
    after: Lock
    store: Store

    @property
    def sides(self) -> tuple[Side, Side]:
        return side(self.before, "a"), side(self.after, "b")

    @property
    def shelf(self) -> Shelf:
        return Shelf(self.store, soname)


def side(lock: Lock, label: str) -> Side:
    return diff.side([lock], label=label, settings=diff_settings.of_locks([lock]))


def scene(folder: Path) -> Scene:
    """Return the scene: *engine* moves and takes *helper* with it, *odd* is rebuilt, *fresh* comes,
    *gone* goes, *same* stays; of the OS *libfoo1* follows the suite."""
    store = Store(folder)
    same = wheel(store, "same", "1.0")
    before = [
        wheel(
            store,
            "engine",
            "1.0",
            {
                "engine/__init__.py": _OLD,
                "engine/_core.cpython-311-x86_64-linux-gnu.so": "soname whatever",
                "engine.libs/libengine-aa.so.1.0": "soname libengine.so.1",
            },
            requires=["helper<2"],
            scripts=["engine-run", "engine-old"],
            license="MIT",
        ),
        wheel(store, "gone", "1.0", {"gone/__init__.py": ""}),
        wheel(store, "helper", "1.5", {"helper.py": "", "helper_more.py": ""}),
        wheel(store, "odd", "1.0", {"odd.py": "x = 1"}),
        same,
    ]
    after = [
        wheel(
            store,
            "engine",
            "2.0",
            {
                "engine/__init__.py": _NEW,
                "engine/_core.cpython-311-x86_64-linux-gnu.so": "soname whatever",
                "engine/_more.abi3.so": "soname whatever",
                "engine.libs/libengine-bb.so.2.0": "soname libengine.so.2",
            },
            requires=["helper>=2"],
            scripts=["engine-run", "engine-check"],
            license="Apache-2.0",
        ),
        wheel(store, "fresh", "3.0", {"fresh/__init__.py": ""}, requires=["leaf"]),
        wheel(store, "helper", "2.1", {"helper.py": ""}),
        wheel(store, "leaf", "0.1", {"leaf.py": ""}, license="0BSD"),
        wheel(store, "odd", "1.0", {"odd.py": "x = 2"}),
        same,
    ]
    first = Lock(
        name="scene",
        version=1,
        python="3.11",
        suite="bookworm",
        architecture="amd64",
        spec=SPECS[0],
        released=datetime(2026, 5, 1, tzinfo=UTC),
        requirements=("engine<2", "gone", "odd", "same"),
        os=("libfoo1",),
        packages=tuple(before),
        debs=(deb(store, "libc6", "2.36-9"), deb(store, "libfoo1", "1.0-1", ["libc6"])),
    )
    second = replace(
        first,
        version=2,
        spec=SPECS[1],
        released=datetime(2026, 7, 1, tzinfo=UTC),
        requirements=("engine>=2", "fresh", "odd", "same"),
        packages=tuple(after),
        debs=(first.debs[0], deb(store, "libfoo1", "1.0-2", ["libc6"])),
    )
    return Scene(first, second, store)


def wheel(
    store: Store,
    name: str,
    version: str,
    files: Mapping[str, str] | None = None,
    *,
    requires: Sequence[str] = (),
    scripts: Sequence[str] = (),
    license: str = "",
) -> Wheel:
    """Put a wheel into *store*; returns what a lock says of it."""
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"]
    metadata += [f"License-Expression: {license}\n"] if license else []
    metadata += [f"Requires-Dist: {text}\n" for text in requires]
    content = {
        **(files if files is not None else {f"{name}.py": ""}),
        f"{info}/METADATA": "".join(metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
    }
    if scripts:
        lines = [f"{script} = {name}:kept" for script in scripts]
        content[f"{info}/entry_points.txt"] = "\n".join(["[console_scripts]", *lines])
    rows = [f"{path},sha256={_recorded(text)},{len(text)}\n" for path, text in content.items()]
    content[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, text in content.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return Wheel(
        name=name,
        version=version,
        filename=f"{name}-{version}-py3-none-any.whl",
        digest=store.add(out.getvalue()),
        size=len(out.getvalue()),
        dependencies=tuple(sorted(text.split("<")[0].split(">")[0] for text in requires)),
    )


def image(lock: Lock, store: Store, *, name: str = "") -> Image:
    """Return the image of *lock*: one layer of the trees that a build would have made."""
    trees = []
    for one in lock.packages:
        key = room.wheel_key(one.digest, scheme.debian(lock.python))
        path = store.path(one.digest)
        store.tree(
            key, lambda root, p=path, n=one.name: wheel_content.unpack(p, n, lock.python, root)
        )
        trees.append(key)
    for deb in lock.debs:
        key = room.deb_key(deb.name, deb.digest)
        path = store.path(deb.digest)
        store.tree(key, lambda root, p=path, n=deb.name: deb_content.unpack(p, n, root))
        trees.append(key)
    labels = [("harness.environment", lock.reference), ("harness.lock", lock.digest)]
    made = Image(
        architecture=lock.architecture,
        settings=Settings(
            env=(("LANG", "C.UTF-8"),),
            labels=(*labels, *([("harness.model", name)] if name else [])),
        ),
        layers=(
            Layer(
                title="all",
                diff_id=of_bytes(lock.reference.encode()),
                size=1,
                trees=tuple(trees),
            ),
        ),
    )
    build.publish(made, store)
    return made


def _recorded(text: str) -> str:
    raw = hashlib.sha256(text.encode()).digest()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def deb(store: Store, name: str, version: str, depends: Sequence[str] = ()) -> Deb:
    """Put a Debian package into *store*, which is not compressed: the same bytes everywhere."""
    control = f"Package: {name}\nVersion: {version}\nDepends: {', '.join(depends)}\n"
    copyright = "Format: https://example.org/copyright-format/1.0/\n\nFiles: *\nLicense: Expat\n"
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar": _tar({"./control": control}),
        "data.tar": _tar(
            {
                f"./usr/lib/x86_64-linux-gnu/{name}.so.1.0": f"soname {name}.so.1",
                f"./usr/share/doc/{name}/copyright": copyright,
            }
        ),
    }
    out = b"!<arch>\n"
    for title, data in parts.items():
        out += f"{title:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        out += data + b"\n" * (len(data) % 2)
    return Deb(
        name=name,
        version=version,
        architecture="amd64",
        filename=f"pool/main/{name[0]}/{name}/{name}_{version}_amd64.deb",
        digest=store.add(out),
        size=len(out),
        dependencies=tuple(depends),
        source="foo",
        source_version=version,
    )


def _tar(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()
