"""Wheels as the interpreter that ships sees them: started from an image's root, with its site."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from packages import wheel

from harness.content import wheel as room
from harness.content.interpreter import Interpreter
from harness.content.union import lay_out
from harness.image import build

NSPKG = (
    b"import sys, types, os; p = os.path.join(sys._getframe(1).f_locals['sitedir'], 'old'); "
    b"m = sys.modules.setdefault('old', types.ModuleType('old')); "
    b"mp = m.__dict__.setdefault('__path__', []); (p not in mp) and mp.append(p)\n"
)
"""What setuptools writes for a namespace that pkg_resources declares."""

WHEELS: Mapping[str, Mapping[str, bytes]] = {
    "one": {"shared/one.py": b"x = 1\n", "old/one.py": b"x = 3\n", "one-1.0-nspkg.pth": NSPKG},
    "two": {
        "two-1.0.data/purelib/shared/two.py": b"x = 2\n",
        "old/two.py": b"x = 4\n",
        "two-1.0-nspkg.pth": NSPKG,
    },
    "path": {
        "path.pth": b"path/below\nimport sys; sys.marked = 6\n",
        "path/below/found.py": b"x = 5\n",
    },
}
ASKED = """
import json, sys
import found, old.one, old.two, shared.one, shared.two
from importlib.metadata import distribution, entry_points, files
print(json.dumps({
    "values": [m.x for m in (shared.one, shared.two, old.one, old.two, found)] + [sys.marked],
    "version": distribution("two").version,
    "installer": distribution("one").read_text("INSTALLER"),
    "missing": [str(f) for n in sys.argv[1:] for f in files(n) if not f.locate().exists()],
    "commands": [e.name for e in entry_points(group="console_scripts") if e.name == "tool"],
}))
"""


@pytest.fixture(scope="module")
def shipped(tabular: build.Built, tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    """The curated environment's interpreter in a root of its own, with :data:`WHEELS`."""
    folder = tmp_path_factory.mktemp("installed")
    trees = {"os": tabular.interpreter.root}
    for name, files in WHEELS.items():
        (folder / name).mkdir()
        commands = "[console_scripts]\ntool = shared.one:main\n" if name == "one" else ""
        archive = wheel(folder, name, files=files, entry_points=commands)
        room.unpack(archive, name, "3.11", folder / name)
        trees[name] = folder / name
    (folder / "root").mkdir()
    lay_out(trees, folder / "root")
    return Interpreter(folder / "root", "3.11")


def test_namespaces_path_files_and_metadata_work(shipped: Interpreter) -> None:
    """PEP 420 and older namespaces over two wheels, a .pth that adds a folder and runs a line."""
    done = shipped.run(["-c", ASKED, *WHEELS])

    assert 0 == done.code, done.tail
    said = json.loads(done.stdout)
    assert [1, 2, 3, 4, 5, 6] == said["values"]
    assert ("1.0", "harness\n", ["tool"]) == (said["version"], said["installer"], said["commands"])
    assert [] == [name for name in said["missing"] if not name.startswith("/usr/local/bin/")]


def test_openssl_finds_the_authorities_and_the_time_zone_is_told(tabular: build.Built) -> None:
    """Without any variable: by the links that scripts would have made."""
    root = tabular.root.resolve()

    bundle = (root / "usr/lib/ssl/cert.pem").resolve()
    zone = (root / "etc/localtime").resolve()

    assert root in bundle.parents
    assert bundle.read_bytes().count(b"BEGIN CERTIFICATE") > 100
    assert root in zone.parents
    assert zone.read_bytes().startswith(b"TZif")
    assert "Etc/UTC\n" == (root / "etc/timezone").read_text()
