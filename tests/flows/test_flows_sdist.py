"""Real packages without a wheel, built from their sources: the same bytes each time."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.core.digest import of_bytes, of_hex
from harness.core.errors import BuildFailed, HashMismatch, ResolutionFailed
from harness.engine.select import select
from harness.flows import sdist as flow
from harness.flows.sdist import Workshop
from harness.image import os_root
from harness.lock import choose
from harness.lock.fetch import fetch_debs
from harness.lock.lock import Lock, Source, Wheel
from harness.lock.pip_tools import PipTools
from harness.lock.resolve import micro
from harness.lock.resolver import Question
from harness.lock.wheel_index import WheelIndex
from harness.world import sources
from harness.world.store import Store

WITHOUT_A_WHEEL = (
    "docopt-0.6.2.tar.gz",
    "odfpy-1.4.1.tar.gz",
    "progressbar-2.5.tar.gz",
    "sgmllib3k-1.0.0.tar.gz",
    "stringcase-1.2.0.tar.gz",
    "wget-3.2.zip",
)
BACKENDS = (
    "attrs-26.1.0.tar.gz",  # hatchling, with plugins
    "iniconfig-2.3.1.tar.gz",  # setuptools by pyproject.toml, setuptools-scm
    "packaging-26.4.tar.gz",  # flit-core
    "tomlkit-0.9.2.tar.gz",  # poetry-core
    "unearth-0.9.3.tar.gz",  # pdm-backend
)
pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def index() -> WheelIndex:
    return WheelIndex(sources.python())


@pytest.fixture(scope="module")
def workshop(cache: Path, tabular_lock: Lock) -> Workshop:
    store = Store(cache)
    fetch_debs(tabular_lock.debs, store, source=sources.debian(tabular_lock.suite))
    return Workshop(
        engine=select("sandbox")[0],
        store=store,
        debs=tabular_lock.debs,
        python=tabular_lock.python,
        architecture=tabular_lock.architecture,
    )


@pytest.fixture(scope="module")
def resolved(workshop: Workshop, index: WheelIndex) -> flow.Resolved:
    shipped = os_root.interpreter(workshop.debs, workshop.python, workshop.store)
    python = micro(workshop.debs, workshop.python)
    resolver = PipTools(
        run_python=lambda arguments, env, cwd, path: shipped.run(
            list(arguments), env=env, cwd=cwd, path=path
        ),
        source=index.source,
        cache=workshop.store.root / "resolver",
    )

    def answer(wanted: tuple[str, ...]) -> tuple[Wheel, ...]:
        question = Question(requirements=wanted, python=python, architecture=workshop.architecture)
        found = choose.wheels(
            resolver.pins(question),
            python=python,
            architecture=workshop.architecture,
            index=index,
        )
        for wheel in found:
            index.download(wheel, store=workshop.store)
        return found

    return answer


def fetched(filename: str, index: WheelIndex, store: Store) -> Source:
    name, version = flow.sdist.identity(filename)
    offer = next(one for one in index.offers(name) if one.filename == filename)
    assert offer.sha256 is not None
    digest = of_hex(offer.sha256)
    index.download(Wheel(name=name, version=version, filename=filename, digest=digest), store=store)
    return Source(filename=filename, digest=digest, size=offer.size)


@pytest.mark.parametrize("filename", [*WITHOUT_A_WHEEL, *BACKENDS])
def test_a_wheel_is_locked_and_built_again_to_the_same_bytes(
    workshop: Workshop,
    index: WheelIndex,
    resolved: flow.Resolved,
    filename: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = fetched(filename, index, workshop.store)
    wheel = flow.locked(workshop, source, resolved)
    assert wheel.built is not None and wheel.built.requires

    # Another store, folder, time zone, locale, hash seed and umask.
    elsewhere = replace(workshop, store=Store(tmp_path / "a longer name" / "elsewhere"))
    for item in (source, *workshop.debs, *wheel.built.requires):
        path = elsewhere.store.path(item.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(workshop.store.path(item.digest), path)
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    monkeypatch.setenv("LC_ALL", "tr_TR.UTF-8")
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o077)
    try:
        flow.rebuilt(elsewhere, wheel)
    finally:
        os.umask(before)

    assert elsewhere.store.has(wheel.digest)


def test_other_bytes_than_the_lock_names_are_told(
    workshop: Workshop, index: WheelIndex, resolved: flow.Resolved
) -> None:
    source = fetched("stringcase-1.2.0.tar.gz", index, workshop.store)
    wheel = flow.locked(workshop, source, resolved)

    with pytest.raises(HashMismatch, match=r"stringcase-1\.2\.0\.tar\.gz was built again"):
        flow.rebuilt(workshop, replace(wheel, digest=of_bytes(b"other")))


def test_a_build_that_is_another_each_time_is_not_locked(
    workshop: Workshop, resolved: flow.Resolved, tmp_path: Path
) -> None:
    source = handmade(
        tmp_path,
        workshop.store,
        "import time\nopen('thing.py', 'w').write(str(time.time_ns()))\n"
        "from setuptools import setup\nsetup(name='thing', version='1.0', py_modules=['thing'])\n",
    )

    with pytest.raises(BuildFailed, match=r"another wheel each time: .*thing\.py"):
        flow.locked(workshop, source, resolved)


def test_requirements_that_setup_asks_for_are_locked_too(
    workshop: Workshop, resolved: flow.Resolved, tmp_path: Path
) -> None:
    source = handmade(
        tmp_path,
        workshop.store,
        "from setuptools import setup\n"
        "setup(name='thing', version='1.0', py_modules=[], setup_requires=['iniconfig'])\n",
    )

    wheel = flow.locked(workshop, source, resolved)

    assert wheel.built is not None
    assert "iniconfig" in [need.name for need in wheel.built.requires]


def test_a_build_that_never_has_enough_is_ended(workshop: Workshop, tmp_path: Path) -> None:
    code = (
        "import time\n"
        "def get_requires_for_build_wheel(config_settings=None):\n"
        "    return [f'a{time.time_ns()}']\n"
    )
    source = handmade(
        tmp_path,
        workshop.store,
        code,
        file="b.py",
        pyproject="[build-system]\nrequires = []\nbuild-backend = 'b'\nbackend-path = ['.']\n",
    )

    with pytest.raises(ResolutionFailed, match="asks for more"):
        flow.locked(workshop, source, lambda wanted: ())


def handmade(
    folder: Path, store: Store, code: str, *, file: str = "setup.py", pyproject: str = ""
) -> Source:
    import io
    import tarfile

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {file: code, "pyproject.toml": pyproject}.items():
            info = tarfile.TarInfo(f"thing-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return Source(filename="thing-1.0.tar.gz", digest=store.add(packed.getvalue()))
