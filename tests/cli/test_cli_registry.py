"""``harness push`` and ``harness pull``: what a person types, and what they are told."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from registries import registry
from registry_images import image

from harness.cli.main import main
from harness.core.digest import of_bytes
from harness.image import manifest
from harness.world.store import Store

pytest.importorskip("httpx2", reason="httpx2 is not installed")
pytestmark = pytest.mark.requires_tool("docker-registry")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return Store(tmp_path / "cache")


def harness(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def done(*arguments: object) -> dict[str, object]:
    result = harness(*arguments, "--output", "json")
    assert 0 == result.exit_code, result.output
    return dict(json.loads(result.stdout))


def test_an_image_goes_from_store_to_registry_to_store(
    host: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = store.add(image(store, seed=1))

    pushed = done("push", digest, f"{host}/app:1")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "elsewhere"))
    pulled = done("pull", f"{host}/app:1")

    assert ("harness.push/1", digest) == (pushed["schema"], pushed["digest"])
    assert {"sent": 3, "mounted": 0, "there": 0} == pushed["blobs"]
    assert ("harness.pull/1", digest) == (pulled["schema"], pulled["digest"])
    assert f"{host}/app@{digest}" == pulled["pinned"] == pushed["pinned"]
    assert pulled["config"] == pushed["config"] != digest
    assert pushed["signed_by"] is None
    assert [45_000] == [sum(layer["size"] for layer in pulled["layers"])]  # type: ignore[attr-defined]
    assert store.read(digest) == Store(tmp_path / "elsewhere").read(digest)


def test_a_person_reads_digests_sizes_and_what_was_not_sent(host: str, store: Store) -> None:
    digest = store.add(image(store, seed=2))

    first, second = (harness("push", digest, f"{host}/read:1").stdout for _ in range(2))
    pulled = harness("pull", f"{host}/read:1").stdout

    assert re.search(r"sent +3 of 3 files, 0\.0 of 0\.0 MB; 0 were there", first), first
    assert re.search(r"sent +0 of 3 files, .*; 3 were there", second), second
    for text in (first, second, pulled):
        assert f"{host}/read@{digest}" in text
    assert "linux/amd64" in pulled


def test_a_layout_is_pushed_and_pulled_as_skopeo_names_it(
    host: str, store: Store, tmp_path: Path
) -> None:
    source = Store(tmp_path / "source")
    data = image(source, seed=3)
    source.add(data)
    where = tmp_path / "layout"
    where.mkdir()
    (where / "blobs").symlink_to(source.root / "blobs")
    (where / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    entry = {
        "mediaType": manifest.MANIFESTS[0],
        "digest": of_bytes(data),
        "size": len(data),
        "annotations": {manifest.REF_NAME: "5"},
    }
    (where / "index.json").write_text(json.dumps({"manifests": [entry]}))

    named = done("push", f"oci:{where}:5", f"{host}/layout:5")
    unnamed = done("pull", f"oci:{where}")
    wrong = harness("push", f"oci:{where}:6", f"{host}/layout:6")

    assert of_bytes(data) == named["digest"] == unnamed["digest"]
    assert 3 == wrong.exit_code
    assert "it has 5" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("pull", "app:1"), 2, "does not begin with the host"),
        (("pull", "HOST/none:1"), 3, "has no repository none"),
        (("pull", "oci://HOST/none:1"), 3, "has no repository none"),
        (("push", "sha256:12", "HOST/a:1"), 3, "is no digest"),
        (("push", "sha256:" + "0" * 64, "HOST/a:1"), 2, "has no image"),
        (("push", "sha256:" + "0" * 64, "HOST/a@sha256:" + "0" * 64), 2, "is a digest"),
        (("push", "oci:/nowhere:1", "HOST/a:1"), 3, "there is no image layout /nowhere"),
        (("push", "nothing", "HOST/a:1"), 2, "nothing"),
    ],
)
def test_what_a_person_gets_wrong_is_told_with_a_hint(
    host: str, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = harness(*(one.replace("HOST", host) for one in arguments))

    assert (code, True) == (result.exit_code, told in result.stderr), result.output
    assert "hint:" in result.stderr
    assert "Traceback" not in result.output


def test_the_commands_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "registry.md").read_text(encoding="utf-8")

    for verb in ("push", "pull"):
        help_text = harness(verb, "--help").stdout
        assert f"harness {verb} " in page
        for option in re.findall(r"--[a-z-]+", help_text):
            assert option in page or option in ("--help", "--output", "--envs", "--challenger")
