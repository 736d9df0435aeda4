"""What the interpreter that ships does for the builder, so that the builder's own never matters.

Run as a script by that interpreter; standard library only. ``compile`` writes bytecode,
``deflate`` compresses a layer with the zlib that the lock pins, ``outside`` tells what of this
machine's own it would run with.

It imports what is frozen or built in alone: other modules have no bytecode yet where it runs, and
``importlib.util`` would cost twice what all else does to start.
"""

import _imp
import marshal
import os
import sys
import zlib
from _frozen_importlib_external import MAGIC_NUMBER

MOMENT = 315_532_800
MARSHAL = 2
"""Version 2 writes no back references. Version 4 sets FLAG_REF by reference counts, so the order of
compilation shows in the bytes (cpython issue 78274)."""


def compile_tree(root: str, out: str) -> None:
    """Compile every source below *root* into *out*, as PEP 552 unchecked-hash bytecode."""
    token = int.from_bytes(MAGIC_NUMBER, "little")  # ``importlib.util.source_hash``
    tag = sys.implementation.cache_tag
    for line in sys.stdin.buffer:
        name = line.rstrip(b"\n").decode()
        with open(f"{root}/{name}", "rb") as file:
            source = file.read()
        try:
            code = compile(source, f"/{name}", "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue  # templates and tests of syntax errors are not modules; importing one says so
        folder, base = os.path.split(name)
        data = MAGIC_NUMBER + (1).to_bytes(4, "little") + _imp.source_hash(token, source)
        target = f"{out}/{folder}/__pycache__/{base[:-3]}.{tag}.pyc"
        os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
        with open(target, "wb") as file:
            file.write(data + marshal.dumps(code, MARSHAL))
            os.fchmod(file.fileno(), 0o644)
        os.utime(target, (MOMENT, MOMENT))


def deflate(level: int) -> None:
    """Copy stdin to stdout as gzip (RFC 1952): no name, no time, operating system unknown."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    read, write = sys.stdin.buffer.read, sys.stdout.buffer.write
    check = size = 0
    write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff")
    while chunk := read(1 << 20):
        check = zlib.crc32(chunk, check)
        size += len(chunk)
        write(packer.compress(chunk))
    write(packer.flush())
    write(check.to_bytes(4, "little") + (size & 0xFFFFFFFF).to_bytes(4, "little"))
    sys.stdout.buffer.flush()


def outside(root: str) -> None:
    """Print the libraries (proc(5), ``/proc/pid/maps``), the modules and the folders of modules of
    this very process that are not below *root*."""
    with open("/proc/self/maps", "rb") as file:
        rows = [
            row for row in (line.rstrip(b"\n").split(None, 5) for line in file) if len(row) == 6
        ]
    found = {os.fsdecode(row[5]) for row in rows if b"x" in row[1] and row[5].startswith(b"/")}
    modules = [module for name, module in sys.modules.items() if name != "__main__"]
    found.update(filter(None, (getattr(module, "__file__", None) for module in modules)))
    found.update(sys.path)
    below = os.path.join(os.path.realpath(root), "")
    for path in sorted(found):
        if not os.path.realpath(path).startswith(below):
            sys.stdout.buffer.write(os.fsencode(path) + b"\n")


if __name__ == "__main__":
    if sys.argv[1] == "compile":
        compile_tree(sys.argv[2], sys.argv[3])
    elif sys.argv[1] == "outside":
        outside(sys.argv[2])
    else:
        deflate(int(sys.argv[2]))
