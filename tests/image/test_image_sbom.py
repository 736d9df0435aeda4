"""The bill of materials: valid by CycloneDX's own schema, complete, the same every time."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
import small_images
from small_images import Made

from harness.core import canonical
from harness.image import purl
from harness.image.sbom import sbom
from harness.lock.lock import Deb, Wheel


@pytest.fixture(scope="module")
def made(bare: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("sbom")
    small_images.write_code(folder)
    return small_images.of_model(bare.recipe.lock, bare.store, folder)


@pytest.fixture(scope="module")
def bom(made: Made) -> dict[str, Any]:
    return sbom(made.image, made.recipe, made.store)


def component(bom: dict[str, Any], name: str) -> dict[str, Any]:
    found = [one for one in bom["components"] if one["name"] == name]
    assert len(found) == 1
    return dict(found[0])


def test_it_is_valid_by_the_schema_of_cyclonedx(bom: dict[str, Any]) -> None:
    schema = pytest.importorskip("cyclonedx.schema", reason="cyclonedx-python-lib is missing")
    validation = pytest.importorskip("cyclonedx.validation.json")

    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)

    assert validator.validate_str(canonical.dumps(bom).decode()) is None
    broken = canonical.dumps({**bom, "components": [{"name": "x"}]}).decode()
    assert validator.validate_str(broken) is not None


def test_another_reader_finds_every_package_by_its_url(bom: dict[str, Any], made: Made) -> None:
    PackageURL = pytest.importorskip("packageurl", reason="packageurl is missing").PackageURL

    read = [PackageURL.from_string(one["purl"]) for one in bom["components"] if "purl" in one]

    lock = made.recipe.lock
    assert {("pypi", p.name, p.version) for p in lock.packages} | {
        ("deb", d.name, d.version) for d in lock.debs
    } == {(one.type, one.name, one.version) for one in read}
    assert all(
        one.qualifiers["distro"] == "debian-12" and "arch" in one.qualifiers
        for one in read
        if one.type == "deb"
    )
    assert sorted(one.to_string() for one in read) == sorted(
        one["purl"] for one in bom["components"] if "purl" in one
    )


def test_every_file_of_the_lock_is_named_by_its_sha256(bom: dict[str, Any], made: Made) -> None:
    hashes = {h["content"] for one in bom["components"] for h in one.get("hashes", ())}

    lock = made.recipe.lock
    wanted = {one.digest for one in lock.packages} | {one.digest for one in lock.debs}
    assert {digest.removeprefix("sha256:") for digest in wanted} <= hashes


def test_licences_are_what_the_wheels_say(bom: dict[str, Any]) -> None:
    assert [{"expression": "BSD-3-Clause"}] == component(bom, "click")["licenses"]
    assert [{"license": {"name": "MIT License"}}] == component(bom, "h11")["licenses"]


def test_a_model_brings_its_code_its_artifact_and_the_interpreter(bom: dict[str, Any]) -> None:
    kinds = {one["name"]: one["type"] for one in bom["components"]}

    assert ("application", "machine-learning-model") == (kinds["tiny code"], kinds["tiny artifact"])
    assert "3.11.2" == component(bom, "cpython")["version"]
    assert ("operating-system", "12") == (kinds["debian"], component(bom, "debian")["version"])


def test_the_graph_names_components_only_and_follows_the_lock(
    bom: dict[str, Any], made: Made
) -> None:
    graph = {one["ref"]: one["dependsOn"] for one in bom["dependencies"]}
    refs = {one["bom-ref"] for one in bom["components"]}

    assert graph.keys() == refs | {made.image.config}
    assert set(graph[made.image.config]) == refs
    assert all(set(needs) <= refs for needs in graph.values())
    minimal = next(ref for ref in refs if "/python3.11-minimal@" in ref)
    assert any("/libc6@" in need or "/zlib1g@" in need for need in graph[minimal])
    assert [minimal] == graph["interpreter"]


def test_it_is_a_function_of_the_image(bom: dict[str, Any], made: Made, tmp_path: Path) -> None:
    again = sbom(made.image, made.recipe, made.store)

    assert canonical.dumps(bom) == canonical.dumps(again)
    assert 5 == uuid.UUID(bom["serialNumber"]).version
    assert "timestamp" not in json.dumps(bom)
    assert str(tmp_path.parent) not in json.dumps(bom)


def test_urls_are_spelt_as_the_standard_has_them() -> None:
    digest = "sha256:" + "0" * 64
    deb = Deb(
        name="libstdc++6", version="1:12.2.0-14+deb12u1", architecture="amd64",
        filename="pool/x.deb", digest=digest, size=1, source="gcc-12", source_version="12.2.0-14",
    )  # fmt: skip
    wheel = Wheel(name="torch", version="2.5.1+cpu", filename="torch.whl", digest=digest)

    assert "pkg:pypi/torch@2.5.1%2Bcpu" == purl.wheel(wheel)
    assert (
        "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1"
        "?arch=amd64&distro=debian-12&upstream=gcc-12%4012.2.0-14"
    ) == purl.deb(deb, "bookworm")
