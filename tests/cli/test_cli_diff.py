"""``harness diff`` and ``harness git`` in a real repository: what git shows, what git merges."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from diff_scene import Scene, image, scene

from harness.cli.main import main
from harness.core.errors import LockInvalid, LockOutOfDate
from harness.flows import git as flow
from harness.lock import pylock
from harness.lock.lock import Lock
from harness.spec import parse

pytestmark = pytest.mark.requires_tool("git")
ROOT = Path(__file__).parents[2]
ENVIRONMENT = """\
name = "scene"
version = {version}
python = "3.11"
base = {{ debian = "bookworm" }}
requirements = {requirements}
os = ["libfoo1"]
"""


@dataclass
class Repository:
    folder: Path
    scene: Scene
    env: dict[str, str]

    def git(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.folder, env=self.env, capture_output=True, text=True
        )
        assert code == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def declare(self, lock: Lock) -> None:
        """Write environment.toml and the lock that was made from it."""
        folder = self.folder / "envs" / "scene"
        folder.mkdir(parents=True, exist_ok=True)
        text = ENVIRONMENT.format(
            version=lock.version, requirements=json.dumps(list(lock.requirements))
        )
        (folder / "environment.toml").write_text(text)
        self.write(replace(lock, spec=parse.environment(folder).digest))

    def write(self, lock: Lock) -> None:
        path = self.folder / "envs" / "scene" / f"pylock.{lock.version}.toml"
        pylock.write(path, lock)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository with one environment at its first version, and a ``harness`` on the PATH."""
    program = tmp_path / "bin" / "harness"
    program.parent.mkdir()
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from harness.cli.main import main"
    program.write_text(f"#!{sys.executable}\n{code}; main(prog_name='harness')\n")
    program.chmod(0o755)
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env |= {
        "PATH": f"{program.parent}{os.pathsep}{env['PATH']}",
        "HOME": str(tmp_path),
        "GIT_CONFIG_NOSYSTEM": "1",
        "HARNESS_CACHE": str(tmp_path / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    for name in ("HOME", "HARNESS_CACHE"):
        monkeypatch.setenv(name, env[name])
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    made = Repository(folder, scene(tmp_path / "cache"), env)
    made.git("init", "-q", "-b", "main")
    made.git("config", "user.name", "user")
    made.git("config", "user.email", "user@example.org")
    made.declare(made.scene.before)
    made.commit("one")
    return made


Harness = Callable[..., Result]


@pytest.fixture
def harness(repository: Repository) -> Harness:
    def run(*arguments: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, [*arguments])
        assert code == done.exit_code, done.output
        return done

    return run


def changes(done: Result) -> dict[str, str]:
    (one,) = json.loads(done.stdout)["diffs"]
    return {package["name"]: package["change"] for package in one["packages"]}


def with_helper(lock: Lock, version: str) -> Lock:
    made = {"version": version, "filename": f"helper-{version}-py3-none-any.whl"}
    packages = [replace(p, **made) if p.name == "helper" else p for p in lock.packages]
    return replace(lock, packages=tuple(packages))


EXPECTED = {
    "engine": "upgrade",
    "fresh": "added",
    "gone": "removed",
    "helper": "upgrade",
    "leaf": "added",
    "odd": "rebuild",
    "libfoo1": "upgrade",
}


def test_what_changed_since_head_is_told_without_naming_anything(
    repository: Repository, harness: Harness
) -> None:
    nothing = harness("diff")
    repository.declare(repository.scene.after)

    found = harness("diff", "--output", "json")

    assert "no lock and no environment.toml differs\n" == nothing.stdout
    assert EXPECTED == changes(found)
    (one,) = json.loads(found.stdout)["diffs"]
    assert [] == one["unread"]
    assert ("HEAD:envs/scene", "envs/scene") == (one["before"]["label"], one["after"]["label"])
    assert "environment.toml changed" not in found.stdout


@pytest.mark.parametrize(
    "asked",
    [
        ("HEAD~1", "HEAD"),
        ("HEAD~1",),
        ("--git", "HEAD~1"),
        ("--git", "HEAD~1..HEAD"),
        ("--git", "HEAD~1", "scene"),
        ("--git", "HEAD~1..HEAD", "envs/scene"),
        ("HEAD~1:envs/scene", "HEAD:scene"),
        ("HEAD~1:envs/scene", "scene"),
        ("scene:1", "scene:2"),
        ("scene:1", "scene"),
        ("envs/scene/pylock.1.toml", "envs/scene/pylock.2.toml"),
        ("HEAD:envs/scene/pylock.1.toml", "envs/scene"),
    ],
    ids=" ".join,
)
def test_every_way_of_naming_two_sides_finds_the_same(
    repository: Repository, harness: Harness, asked: tuple[str, ...]
) -> None:
    repository.declare(repository.scene.after)
    repository.commit("two")

    assert EXPECTED == changes(harness("diff", *asked, "--output", "json"))


def test_a_released_lock_that_was_changed_in_place_is_told_by_itself(
    repository: Repository, harness: Harness
) -> None:
    repository.declare(repository.scene.after)
    repository.commit("two")
    repository.write(
        replace(repository.scene.before, packages=repository.scene.before.packages[1:])
    )

    found = json.loads(harness("diff", "--output", "json").stdout)

    (one,) = found["diffs"]
    assert "envs/scene/pylock.1.toml" == one["after"]["label"]
    assert ["engine"] == [package["name"] for package in one["packages"]]


def test_an_environment_that_is_new_and_one_that_is_gone(
    repository: Repository, harness: Harness
) -> None:
    (repository.folder / "envs" / "scene").rename(repository.folder / "envs" / "other")
    text = (repository.folder / "envs" / "other" / "environment.toml").read_text()
    new = text.replace('"scene"', '"other"')
    (repository.folder / "envs" / "other" / "environment.toml").write_text(new)

    found = json.loads(harness("diff", "--output", "json").stdout)["diffs"]

    kinds = [(one["before"]["kind"], one["after"]["kind"]) for one in found]
    assert [("absent", "lock"), ("lock", "absent")] == kinds
    assert {"added"} == {package["change"] for package in found[0]["packages"]}
    assert {"removed"} == {package["change"] for package in found[1]["packages"]}


def test_a_specification_without_a_lock_tells_its_settings(
    repository: Repository, harness: Harness
) -> None:
    repository.declare(repository.scene.after)
    (repository.folder / "envs" / "scene" / "pylock.2.toml").unlink()

    found = harness("diff", "scene")

    assert "~ engine<2 → engine>=2" in found.stdout
    assert "has no lock: harness lock scene" in found.stdout
    assert "Python packages" not in found.stdout


def test_a_lock_that_is_older_than_its_specification_is_noted(
    repository: Repository, harness: Harness
) -> None:
    path = repository.folder / "envs" / "scene" / "environment.toml"
    path.write_text(path.read_text().replace("libfoo1", "libbar1"))

    found = harness("diff", "scene")

    assert "environment.toml changed after its lock was written" in found.stdout


def test_an_image_is_compared_with_a_lock_and_with_an_image(
    repository: Repository, harness: Harness
) -> None:
    one, two = repository.scene.before, repository.scene.after
    image(one, repository.scene.store)
    made = image(two, repository.scene.store, name="churn")

    same = harness("diff", "image:scene:1", "scene:1", "--output", "json")
    model = harness("diff", "scene", "churn", "--output", "json")
    images = harness("diff", "image:scene:1", made.config, "--output", "json")

    assert {} == changes(same)
    assert EXPECTED == changes(model) == changes(images)


def test_a_name_with_several_images_is_refused_with_their_digests(
    repository: Repository, harness: Harness
) -> None:
    for lock in (repository.scene.before, repository.scene.after):
        image(lock, repository.scene.store, name="churn")

    done = harness("diff", "image:churn", "scene", code=2)

    assert "2 images of churn: sha256:" in done.stderr
    assert "hint: name one of them by its digest" in done.stderr


def test_flaws_that_come_and_go_are_told_from_a_snapshot(
    repository: Repository, harness: Harness
) -> None:
    repository.declare(repository.scene.after)
    snapshot = repository.folder / "osv.json"
    snapshot.write_text(json.dumps([flaw("OSV-1", "0", "2"), flaw("OSV-2", "2", "3")]))

    found = harness("diff", "--output", "json", "--advisories", str(snapshot)).stdout

    told = {p["name"]: p["advisories"] for p in json.loads(found)["diffs"][0]["packages"]}
    assert {"introduced": ["OSV-2"], "fixed": ["OSV-1"]} == told["helper"]
    assert {"introduced": [], "fixed": []} == told["odd"]


def flaw(name: str, introduced: str, fixed: str) -> dict[str, object]:
    events = [{"introduced": introduced}, {"fixed": fixed}]
    affected = {
        "package": {"ecosystem": "PyPI", "name": "helper"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}],
    }
    return {"id": name, "modified": "2026-01-01T00:00:00Z", "affected": [affected]}


def test_exit_code_tells_whether_something_differs(
    repository: Repository, harness: Harness
) -> None:
    harness("diff", "--exit-code", code=0)
    repository.declare(repository.scene.after)
    harness("diff", "--exit-code", code=1)
    harness("diff", code=0)


def test_markdown_and_colour_are_asked_for(repository: Repository, harness: Harness) -> None:
    repository.declare(repository.scene.after)

    page = harness("diff", "--output", "markdown").stdout
    plain = harness("diff").stdout
    coloured = CliRunner().invoke(main, ["diff", "--color", "always"], color=True).stdout

    assert page.startswith("### `HEAD:envs/scene (scene:1)` → `envs/scene (scene:2)`\n")
    assert "\x1b[" not in page + plain
    assert "\x1b[32m+ fresh" in coloured


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("nosuch", "scene"), "nosuch is no file, git revision, environment"),
        (("scen",), 'did you mean "scene"?'),
        (("HEAD:nosuch", "scene"), "nosuch at HEAD"),
        (("scene:9", "scene"), "scene is at version 1"),
        (("sha256:0123456789ab", "scene"), "no image sha256:0123456789ab"),
        (("image:other", "scene"), "no image other"),
        (("a", "b", "c"), "3 are named"),
        (("--git", "nosuch"), "git knows no revision nosuch"),
        (("--model", "nosuch", "scene"), "there is no folder nosuch"),
        (("README.md", "scene"), "is no lock and no environment.toml"),
        (("broken.toml", "scene"), "broken.toml can't be used"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_with_what_to_do(
    repository: Repository, harness: Harness, asked: tuple[str, ...], told: str
) -> None:
    (repository.folder / "README.md").write_text("# hello\n")
    (repository.folder / "broken.toml").write_text("lock-version = ")

    done = harness("diff", *asked, code=2)

    assert told in done.stderr
    assert "hint: " in done.stderr
    assert "Traceback" not in done.output


def test_git_shows_a_lock_as_lines(repository: Repository, harness: Harness) -> None:
    first = json.loads(harness("git", "setup", "--output", "json").stdout)
    again = json.loads(harness("git", "setup", "--output", "json").stdout)
    repository.write(with_helper(repository.scene.before, "1.6"))

    shown = repository.git("diff", "--", "envs")

    assert (True, False) == (first["written"], again["written"])
    assert "\n-helper 1.5\n-  helper-1.5-py3-none-any.whl " in shown
    assert "\n+helper 1.6\n+  helper-1.6-py3-none-any.whl " in shown
    assert "[[packages]]" not in shown
    assert "seal" not in shown


def test_the_page_shows_what_setup_writes_and_how_a_difference_reads() -> None:
    page = (ROOT / "docs" / "diff.md").read_text(encoding="utf-8")
    golden = (ROOT / "tests" / "report" / "golden" / "diff.txt").read_text(encoding="utf-8")
    shown = page.split("```console\n")[1].split("```")[0].splitlines()

    assert f"```\n{flow.ATTRIBUTES}\n```" in page
    for name, value in flow.SETTINGS.items():
        section, driver, key = name.split(".")
        assert f"{key} = {value}\n" in page.split(f'[{section} "{driver}"]')[1]
    for line in shown[2:]:
        assert line in golden.splitlines(), line


def test_what_is_no_lock_is_shown_as_it_is(repository: Repository, harness: Harness) -> None:
    file = repository.folder / "pylock.9.toml"
    file.write_bytes(b"<<<<<<< ours\n\xff not a lock\n")

    assert file.read_bytes() == harness("git", "textconv", str(file)).stdout_bytes


def test_git_merges_locks_package_by_package(repository: Repository, harness: Harness) -> None:
    harness("git", "setup")
    repository.commit("attributes")
    before, after = repository.scene.before, repository.scene.after
    odd = {p.name: p for p in after.packages}["odd"]
    repository.git("switch", "-q", "-c", "theirs")
    repository.write(replace(before, debs=after.debs))
    repository.commit("theirs")
    repository.git("switch", "-q", "main")
    repository.write(
        replace(before, packages=tuple(odd if p.name == "odd" else p for p in before.packages))
    )
    repository.commit("ours")

    said = repository.git("merge", "theirs", "-m", "both")

    environment = parse.environment(repository.folder / "envs" / "scene")
    (merged,) = pylock.loads_all(environment.lock_path.read_text())
    assert odd in merged.packages
    assert after.debs == merged.debs
    assert "merged; run harness lock scene" in said
    with pytest.raises(LockOutOfDate, match="merged from two sides"):
        pylock.read(environment)


def test_git_keeps_a_conflict_that_the_lock_tells_of(
    repository: Repository, harness: Harness
) -> None:
    harness("git", "setup")
    repository.commit("attributes")
    repository.git("switch", "-q", "-c", "theirs")
    repository.write(with_helper(repository.scene.before, "1.7"))
    repository.commit("theirs")
    repository.git("switch", "-q", "main")
    repository.write(with_helper(repository.scene.before, "1.6"))
    repository.commit("ours")

    said = repository.git("merge", "theirs", code=1)

    path = repository.folder / "envs" / "scene" / "pylock.1.toml"
    assert "conflict: helper: was 1.5, ours 1.6, theirs 1.7" in said
    assert "# CONFLICT helper: was 1.5, ours 1.6, theirs 1.7\n" in path.read_text()
    assert "UU envs/scene/pylock.1.toml" in repository.git("status", "--short")
    with pytest.raises(LockInvalid, match="merge conflict"):
        pylock.read(parse.environment(path.parent))
    refused = harness("fetch", "scene", code=2)
    assert "merge conflict: helper: was 1.5, ours 1.6, theirs 1.7" in refused.stderr


def test_a_file_that_is_no_lock_is_merged_as_text(repository: Repository, harness: Harness) -> None:
    names = {"base": "a\nb\nc\n", "ours": "A\nb\nc\n", "theirs": "a\nb\nC\n"}
    for name, text in names.items():
        (repository.folder / name).write_text(text)

    harness("git", "merge", "base", "ours", "theirs", "pylock.1.toml")
    assert "A\nb\nC\n" == (repository.folder / "ours").read_text()

    (repository.folder / "theirs").write_text("X\nb\nC\n")
    harness("git", "merge", "base", "ours", "theirs", "pylock.1.toml", code=1)
    assert "<<<<<<< ours" in (repository.folder / "ours").read_text()
