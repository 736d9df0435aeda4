"""The clean room against packages of the world: one environment each, until it is green.

    python benchmarks/lock/imports.py FOLDER [--only NAME …] [--jobs N]

Each environment is locked, built and checked. While the check is red and names OS packages, those
are added and it is locked, built and checked again: a library has got the right package when it is
no longer missing then. Only what no package has is put under ``without``. In the end ``judge.py``
runs in the image and imports every module that the RECORDs list. One JSON file a package is written
below FOLDER, and those that are there are not made again; the summary counts all of them. Exit code
1 when fewer than 95 % of the libraries got the right package, or when the judge finds a library
missing after a green check, unsaid by a note.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:] = [str(ROOT), *(entry for entry in sys.path if entry != str(Path(__file__).parent))]

RIGHT = 0.95
ROUNDS = 4

PACKAGES = """
lightgbm pyzbar python-magic opencv-python psycopg2-binary soundfile sounddevice shapely weasyprint
cairocffi cairosvg pyenchant numba xgboost-cpu pyqt6 pyside6-essentials pyqt5 wxpython-none
opencv-contrib-python opencv-python-headless psycopg-c-none psycopg pyodbc pymssql mysqlclient-none
pygame pyglet pyusb hidapi pyserial pyaudio-none wand openslide-python python-vlc libusb1 cffi
pynacl cryptography bcrypt lxml pillow matplotlib scipy numpy pandas pyarrow scikit-learn
scikit-image shap catboost statsmodels polars duckdb orjson ujson msgpack pydantic aiohttp
uvloop httptools grpcio protobuf pymongo redis hiredis asyncpg sqlalchemy greenlet gevent
pyzmq tornado regex rapidfuzz levenshtein tokenizers sentencepiece safetensors onnxruntime onnx
h5py netcdf4 tables zstandard lz4 brotli pyyaml ruamel-yaml-clib markupsafe rasterio fiona pyproj
pyogrio geopandas pymupdf pikepdf pypdfium2 reportlab python-ldap-none kiwisolver contourpy
numexpr bottleneck cython psutil setproctitle watchdog yarl frozenlist multidict wrapt
coverage debugpy simplejson rtree glfw moderngl vtk-none open3d-none mediapipe-none pyvips
python-rapidjson faiss-cpu hnswlib annoy-none spacy blis thinc murmurhash cymem preshed
pydivert-none pycairo-none xmlsec gmpy2 pycryptodome pycurl tesserocr pyautogui-none pyvista-none
"""


def names() -> list[str]:
    """Return the packages, without those that have no wheel or are too large."""
    return [name for name in PACKAGES.split() if not name.endswith("-none")]


def write(folder: Path, requirement: str, os: list[str], without: list[str]) -> None:
    """Write the specification of one environment."""
    (folder / "environment.toml").write_text(
        f'name = "{folder.name}"\nversion = 1\npython = "3.11"\nresolver = "uv"\n'
        f'base = {{ debian = "bookworm" }}\nrequirements = ["{requirement}"]\n'
        f"os = {json.dumps(os)}\nwithout = {json.dumps(without)}\n"
    )


def case(requirement: str, folder: Path) -> dict[str, Any]:
    """Take one package to green, and have it judged."""
    from harness.cli import bench
    from harness.engine.engine import Job, Mount
    from harness.engine.select import select
    from harness.flows import clean_room
    from harness.flows import environment as flow
    from harness.image import model
    from harness.lock.freedom import freedom
    from harness.spec import parse
    from harness.stages import imports
    from harness.stages.load import Bench, Limits
    from harness.world import clock

    folder.mkdir(parents=True, exist_ok=True)
    store, engine = bench.store(), select("auto")[0]
    asked: list[str] = []
    without: list[str] = []
    rounds: list[dict[str, Any]] = []
    for _ in range(ROUNDS):
        write(folder, requirement, asked, without)
        environment = parse.environment(folder)
        flow.locked(
            environment, store, engine=lambda: engine, free=freedom(False, ()), now=clock.now()
        )
        opened = flow.opened(environment, store, engine=lambda: engine, workers=1)
        place = Bench(
            engine=engine, env=opened.built.image.settings.env, limits=Limits(seconds=600)
        )
        runnable = model.partial(opened.built, {"runtime": model.runtime_tree(store)}, store)
        started = time.monotonic()
        result = imports.check(place, runnable, outside=clean_room.outside(opened, store))
        rounds.append(
            {
                "passed": result.passed,
                "seconds": time.monotonic() - started,
                "os": asked,
                "without": without,
                "missing": result.details["missing"],
                "failures": result.details["failures"],
                "problems": [p.lines for p in result.problems],
                "notes": result.details["notes"],
            }
        )
        advised = sorted({*asked, *result.details["os"]})
        spared = sorted({*without, *result.details["without"]})
        if result.passed or (advised, spared) == (asked, without):
            break
        without = without if advised != asked else spared
        asked = advised
    judged = engine.run(
        Job(
            root=runnable.root,
            argv=(runnable.program, "/app/judge.py", *_judged(opened.lock, requirement)),
            env=dict(place.env),
            mounts=(Mount(source=Path(__file__).parent, target="/app", writable=False),),
            cwd="/tmp",
            timeout=900.0,
        )
    )
    return {
        "package": requirement,
        "version": opened.lock.pins[requirement],
        "rounds": rounds,
        "judge": json.loads(judged[1] or b"null"),
        "ended": judged[0].reason,
    }


def _judged(lock: Any, requirement: str) -> list[str]:
    """Return the distribution that is judged: what it requires has an environment of its own."""
    return [requirement.replace("-", "_").lower(), requirement.lower()]


def opened(one: dict[str, Any]) -> set[str]:
    """Return the libraries that modules of a round lack when they are imported, by the advice."""
    return {
        text.partition(" has ")[2]
        for lines in one["problems"]
        if lines and lines[0][0] == "module"
        for title, text in lines
        if title == "debian" and " has " in text
    }


def libraries(found: dict[str, Any]) -> tuple[set[str], set[str], set[str]]:
    """Return the libraries that were missing in any round, those of them that Debian has by the
    advice, and those that are no longer missing in the end."""
    every = [m for one in found["rounds"] for m in one["missing"]]
    asked = {name for one in found["rounds"] for name in opened(one)}
    told = {m["library"] for m in every if m["package"]} | asked
    last = found["rounds"][-1]
    left = {m["library"] for m in last["missing"]} | opened(last)
    missing = {m["library"] for m in every} | asked
    return missing, told, missing - left


def summary(folder: Path) -> int:
    """Print the figures over all that was found; return the exit code."""
    done = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    found = [one for one in done if "rounds" in one]
    pairs, right, nowhere, unheard = 0, 0, [], []
    for one in found:
        missing, told, cured = libraries(one)
        pairs += len(missing & told)
        right += len(missing & told & cured)
        nowhere += [f"{one['package']}: {name}" for name in sorted(missing - told)]
    green = [one for one in found if one["rounds"][-1]["passed"]]
    red_first = [one for one in found if not one["rounds"][0]["passed"]]
    noted = 0
    for one in green:
        failures = (one["judge"] or {}).get("failures") or {}
        heard = {
            failures[name][2].partition(" | ")[0]
            for note in one["rounds"][-1].get("notes", ())
            for name in note.partition(" opens ")[0].split(", ")
            if name in failures
        }
        for name, (_, kind, said) in failures.items():
            if kind == "library" and said.partition(" | ")[0] in heard:
                noted += 1
            elif kind == "library":
                unheard.append(f"{one['package']}: {name}: {said[:160]}")
    judged = sum((one["judge"] or {}).get("modules", 0) for one in green)
    print(f"environments      {len(found)}; {len(done) - len(found)} have no lock or image")
    print(f"red at first      {len(red_first)}")
    spared = [one["package"] for one in green if one["rounds"][-1].get("without")]
    print(f"green in the end  {len(green)}, with something under without: {' '.join(spared) or 0}")
    print(f"libraries         {pairs} that Debian has, {right} cured by the advice")
    print(f"in no package     {len(nowhere)}: {'; '.join(nowhere)}")
    print(f"judged            {judged} modules")
    print(f"lack a library    {noted} that a note says, {len(unheard)} that nothing says")
    for line in unheard:
        print("  ", line)
    for one in found:
        if not one["rounds"][-1]["passed"]:
            print("red:", one["package"], one["rounds"][-1]["problems"][-1])
    for one in done:
        if "rounds" not in one:
            print("none:", one["package"], one["error"])
    return 1 if unheard or (pairs and right < RIGHT * pairs) else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    folder = chosen.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if chosen.case:
        try:
            body = case(chosen.case, folder / "envs" / chosen.case)
        except Exception as failed:
            body = {"package": chosen.case, "error": f"{type(failed).__name__}: {failed}"}
            traceback.print_exc()
        (folder / f"{chosen.case}.json").write_text(json.dumps(body, indent=1))
        return 0

    def one(name: str) -> None:
        subprocess.run([sys.executable, __file__, str(folder), "--case", name], timeout=1800)

    todo = [n for n in chosen.only or names() if not (folder / f"{n}.json").is_file()]
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        list(pool.map(one, todo))
    return summary(folder)


if __name__ == "__main__":
    sys.exit(main())
