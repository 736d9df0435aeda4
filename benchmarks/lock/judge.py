"""Judges an image from inside, with the standard library and no code of Harness: imports every
module that any RECORD lists, each in a process of its own, and prints as JSON which ones fail for
want of a library, and which for want of a module."""

import csv
import json
import os
import pathlib
import re
import signal
import sys

LIBRARY = re.compile(
    r"cannot open shared object|version `\S+' not found|undefined symbol|cannot load library"
    r"|(?:library|DLL)\b[^\n]* not found|no library called|(?:find|load) \S+ (?:shared )?library"
    r"|failed to (?:find|load) lib",
    re.IGNORECASE,
)
FOREIGN = re.compile(r"\.dylib|\.dll\b|\.framework", re.IGNORECASE)
SECONDS = 60


def modules(site):
    """Yield the dotted name of each importable file of each RECORD, with its distribution."""
    for record in sorted(site.glob("*.dist-info/RECORD")):
        with record.open(newline="") as rows:
            for row in csv.reader(rows):
                parts = row[0].split("/")
                stem = parts[-1].split(".")[0]
                if not parts[-1].endswith((".py", ".so")) or stem == "__main__":
                    continue
                names = parts[:-1] if stem == "__init__" else [*parts[:-1], stem]
                if names and all(name.isidentifier() for name in names):
                    yield ".".join(names), record.parent.name.removesuffix(".dist-info")


def failure(name):
    """Return what importing *name* says, or None."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        try:
            __import__(name)
            said = ""
        except BaseException as raised:
            said = f"{type(raised).__name__}: {raised}"
            while (raised := raised.__cause__ or raised.__context__) is not None:
                said += f" | {type(raised).__name__}: {raised}"
        os.write(writer, said[:3000].encode("utf-8", "replace"))
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    os.set_blocking(reader, False)
    with os.fdopen(reader, "rb") as pipe:
        said = (pipe.read() or b"").decode("utf-8", "replace")
    if os.waitstatus_to_exitcode(status):
        return f"Died: {os.waitstatus_to_exitcode(status)}"
    return said or None


def main():
    out = os.dup(1)
    os.dup2(2, 1)
    site = next(pathlib.Path("/usr/local/lib").glob("python*/dist-packages"))
    found = {}
    wanted = set(sys.argv[1:])
    names = {
        name: distribution
        for name, distribution in modules(site)
        if not wanted or distribution.split("-")[0].lower() in wanted
    }
    for name in names:
        said = failure(name)
        if said:
            kind = "other"
            if LIBRARY.search(said) and (".so" in said or not FOREIGN.search(said)):
                kind = "library"
            elif "No module named" in said:
                kind = "module"
            found[name] = [names[name], kind, said[:300]]
    os.write(out, json.dumps({"modules": len(names), "failures": found}).encode())


main()
