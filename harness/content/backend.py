"""What runs in the sandbox to build a wheel: the hooks of PEP 517, called by the interpreter that
ships. Run as a script; standard library only.

stdin: a JSON object (``hook``, ``backend``, ``path``). stdout: one line of JSON, then the wheel.
What the build itself prints goes to stderr.
"""

import importlib
import json
import os
import shutil
import sys
from typing import Any

SOURCE = "/data/source"
FOLDER = "/tmp/harness-build"
"""Where the source is copied to: memory of the sandbox's own, bounded and gone afterwards."""


def main() -> None:
    """Answer one request."""
    request = json.loads(sys.stdin.buffer.readline())
    answer = os.dup(1)
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.umask(0o022)
    copy(SOURCE, f"{FOLDER}/source")
    os.mkdir(f"{FOLDER}/wheel")
    os.chdir(f"{FOLDER}/source")
    wheel = None
    said: dict[str, object]
    try:
        backend = load(request["backend"], request["path"])
        if request["hook"] == "requires":
            hook = getattr(backend, "get_requires_for_build_wheel", None)
            said = {"requires": [str(one) for one in hook()] if hook else []}
        else:
            name = backend.build_wheel(f"{FOLDER}/wheel")
            made = sorted(n for n in os.listdir(f"{FOLDER}/wheel") if n.endswith(".whl"))
            said = {"returned": str(name), "wheels": made}
            if made == [name]:
                wheel = f"{FOLDER}/wheel/{name}"
                said["size"] = os.path.getsize(wheel)
    except BaseException as error:
        import traceback

        traceback.print_exc()
        text = "\n".join(str(error).strip().splitlines()[-8:])
        said, wheel = {"error": f"{type(error).__name__}: {text}"}, None
    sys.stdout.flush()
    with os.fdopen(answer, "wb") as out:
        out.write(json.dumps(said).encode() + b"\n")
        if wheel is not None:
            with open(wheel, "rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)


def copy(source: str, target: str) -> None:
    """Copy a folder, name by name in order: what lists *target* sees one order everywhere."""
    os.makedirs(target)
    for name in sorted(os.listdir(source)):
        one, other = f"{source}/{name}", f"{target}/{name}"
        if os.path.islink(one):
            os.symlink(os.readlink(one), other)
        elif os.path.isdir(one):
            copy(one, other)
        else:
            shutil.copyfile(one, other)
            os.chmod(other, 0o755 if os.stat(one).st_mode & 0o111 else 0o644)
            os.utime(other, (315_532_800, 315_532_800))


def load(backend: str, path: list[str]) -> Any:
    """Return the object of hooks: ``module:object`` (PEP 517), from *path* where one is given."""
    folders = [os.path.normpath(os.path.join(os.getcwd(), one)) for one in path]
    sys.path[:0] = folders
    module, _, attributes = backend.partition(":")
    found: Any = importlib.import_module(module)
    if folders:
        place = os.path.realpath(found.__file__ or "")
        if not any(place.startswith(os.path.realpath(folder) + os.sep) for folder in folders):
            raise ImportError(f"{module} is not in backend-path")
    for attribute in attributes.split(".") if attributes else ():
        found = getattr(found, attribute)
    return found


if __name__ == "__main__":
    main()
