"""What a wheel says of itself: ``METADATA`` (core metadata; PEP 566, PEP 643)."""

from __future__ import annotations

import zipfile
from email.message import Message
from email.parser import HeaderParser

from packaging.requirements import InvalidRequirement, Requirement

from harness.core.errors import PackageRefused
from harness.lock.choose import minor_of
from harness.lock.lock import Wheel
from harness.lock.pylock_reading import MACHINES
from harness.lock.resolver import Question
from harness.lock.wheel_index import WheelIndex
from harness.world.store import Store


def requires(wheel: Wheel, *, index: WheelIndex, store: Store) -> tuple[Requirement, ...]:
    """Return what *wheel* requires, fetching it when it is not in *store*.

    Raises what ``WheelIndex.download`` does, and PackageRefused for a file that is no wheel.
    """
    index.download(wheel, store=store)
    found = []
    for text in read(wheel, store).get_all("Requires-Dist", ()):
        try:
            found.append(Requirement(text))
        except InvalidRequirement:  # as pip: a package may hold one that never mattered
            continue
    return tuple(found)


def read(wheel: Wheel, store: Store) -> Message:
    """Return the metadata of *wheel*, which is in *store*."""
    try:
        with zipfile.ZipFile(store.path(wheel.digest)) as archive:
            name = next(
                name
                for name in archive.namelist()
                if name.endswith(".dist-info/METADATA") and name.count("/") == 1
            )
            return HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    except (zipfile.BadZipFile, StopIteration, OSError) as broken:
        raise PackageRefused(
            f"{wheel.filename} is no wheel with metadata", hint="use another version of it"
        ) from broken


def applies(need: Requirement, question: Question) -> bool:
    """Tell whether *need* counts for the platform of *question*, whatever extras are asked for."""
    if need.marker is None:
        return True
    machine = MACHINES[question.architecture]
    told = {
        "implementation_name": "cpython",
        "implementation_version": question.python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": question.python,
        "python_version": minor_of(question.python),
        "sys_platform": "linux",
    }
    text = str(need.marker)
    if "extra" not in text:
        return need.marker.evaluate({**told, "extra": ""})
    extras = {part.strip("\"'") for part in text.split() if part[:1] in "\"'"}
    return any(need.marker.evaluate({**told, "extra": extra}) for extra in {"", *extras})
