"""``harness image evidence`` and ``harness verify``, as a person and as a script see them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small_images
from click.testing import CliRunner, Result
from registries import registry
from small_images import Layout, Made

from harness.cli.main import main
from harness.image import model, provenance
from harness.image.recipe import lock_of
from harness.lock import pylock
from harness.spec import parse
from harness.world import keys
from harness.world.registry import Registry


@pytest.fixture(scope="module")
def made(bare: Made) -> Made:
    return bare


@pytest.fixture(autouse=True)
def surroundings(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(made.store.root))
    monkeypatch.setenv("HARNESS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.delenv("HARNESS_SIGNING_KEY", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private key and its public one, as files."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ed25519

    folder = tmp_path_factory.mktemp("keys")
    key = ed25519.Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def run(*arguments: object, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert code == done.exit_code, done.output
    return done


def body(done: Result) -> Any:
    return json.loads(done.stdout)


def test_an_image_of_this_store_is_made_again_and_is_the_same(made: Made) -> None:
    found = body(run("verify", made.image.config, "--output", "json"))

    assert ("harness.verify/1", "same", None) == (
        found["schema"], found["outcome"], found["first"],
    )  # fmt: skip
    assert all(layer["same"] for layer in found["layers"])


def test_an_exported_image_is_checked_against_what_was_written_and_signed(
    made: Made, pair: tuple[Path, Path]
) -> None:
    private, public = pair
    told = body(
        run("image", "evidence", made.image.config, "--to", "e", "--key", private,
            "--output", "json")
    )  # fmt: skip
    layout = Layout(small_images.exported(made, Path("layout")))
    layout.config["config"]["User"] = "0:0"
    layout.write()

    done = run("verify", "layout", "--evidence", "e", "--trust", public, code=1)

    assert ["sbom", "provenance", "sbom"] == [one["name"] for one in told["documents"]]
    assert made.packed.digest == told["digest"]
    assert "layout · DIFFERS" in done.stdout
    assert "first        layer config, /config.User" in done.stdout
    assert '  image      "0:0"\n  rebuild    "65532:65532"' in done.stdout
    assert "note         e/provenance.dsse.json is the provenance of another image" in done.stdout


def test_a_damaged_file_of_a_layout_is_found_where_the_store_has_the_sound_one(
    made: Made,
) -> None:
    layout = Layout(small_images.exported(made, Path("layout")))
    digest = layout.manifest["layers"][0]["digest"]
    blob = layout.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")

    for name in ("layout", "oci:layout", "oci:layout:1"):
        done = run("verify", name, code=3)

        assert f"{blob} has other bytes: expected {digest}" in done.stderr


def test_unsigned_evidence_is_not_trusted_and_nothing_is_built(
    made: Made, pair: tuple[Path, Path]
) -> None:
    run("image", "evidence", made.image.config, "--to", "e")
    Path("config.toml").write_text(f"[signing]\ntrusted = [{json.dumps(str(pair[1]))}]\n")

    done = run("verify", made.image.config, "--evidence", "e", code=1)

    assert "NOT TRUSTED" in done.stdout
    assert "why          no provenance of this image is signed by a trusted key" in done.stdout
    assert "layers" not in done.stdout


def test_an_image_of_which_nothing_is_said_ends_with_4_and_a_hint(made: Made) -> None:
    small_images.exported(made, Path("layout"))

    done = run("verify", "layout", code=4)

    assert done.stderr.startswith("error: nothing says how layout was made")
    assert "hint: " in done.stderr


def test_writing_evidence_again_without_a_key_leaves_no_signed_document(
    made: Made, pair: tuple[Path, Path]
) -> None:
    run("image", "evidence", made.image.config, "--to", "e", "--key", pair[0])
    run("image", "evidence", made.image.config, "--to", "e")

    assert ["manifest.json", "provenance.intoto.json", "sbom.cdx.json"] == sorted(
        path.name for path in Path("e").iterdir()
    )
    assert made.packed.manifest_bytes == Path("e/manifest.json").read_bytes()


@pytest.mark.requires_tool("docker-registry")
def test_an_image_in_a_registry_is_verified_by_what_was_pushed_beside_it(
    made: Made, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry without the referrers API: the list is an index under the fallback tag."""
    pytest.importorskip("httpx2", reason="httpx2 is not installed")
    monkeypatch.setenv("DOCKER_CONFIG", str(Path("docker").absolute()))
    signer = keys.private(pair[0].read_bytes(), where="the test's key")
    with registry(Path("registry").absolute()) as host, Registry(host) as door:
        where = f"{host}/a/tiny:1"
        plain = run("push", made.image.config, where, "--no-evidence")
        signed = run("push", made.image.config, where, "--key", pair[0])
        pushed = body(run("push", made.image.config, where, "--key", pair[0], "--output", "json"))

        found = body(run("verify", f"oci://{where}", "--trust", pair[1], "--output", "json"))
        after = door.manifest("a/tiny", "1").digest

    assert "beside it    nothing\n" in plain.stdout
    assert f"; signed by {signer.public.id}\n" in signed.stdout
    assert f"manifest {made.packed.digest}\nimage        {made.image.config}\n" in plain.stdout
    assert (made.packed.digest, made.image.config) == (pushed["digest"], pushed["config"])
    assert signer.public.id == pushed["signed_by"]
    assert "same" == found["outcome"]
    assert {"image": after, "rebuild": after} == found["digests"]["manifest"]
    assert made.packed.digest == after
    assert [[], [signer.public.id], [signer.public.id]] == sorted(
        claim["signers"] for claim in found["evidence"]
    )


def test_an_environment_by_its_name_has_evidence_and_keeps_its_lock(
    made: Made, tmp_path: Path
) -> None:
    folder = tmp_path / "envs" / "small"
    folder.mkdir(parents=True)
    (folder / "environment.toml").write_text(
        'name = "small"\nversion = 1\npython = "3.11"\nbase = { debian = "bookworm" }\n'
        'requirements = ["click"]\n'
    )
    lock = replace(
        made.recipe.lock, name="small", version=1, requirements=("click",), os=(),
        spec=parse.environment(folder).digest,
    )  # fmt: skip
    pylock.write(folder / "pylock.1.toml", lock)

    told = body(run("image", "evidence", "small:1", "--to", "e", "--output", "json"))

    said = json.loads(Path("e/provenance.intoto.json").read_bytes())
    assert "small:1" == told["name"] == said["subject"][0]["name"]
    assert lock == provenance.recipe(said).lock
    by_digest = model.find(told["digest"], made.store)
    assert by_digest is not None
    assert lock == lock_of(by_digest, made.store)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("verify", "layout", "--evidence", "absent"), "absent holds no evidence"),
        (("verify", "layout", "--trust", "absent.pub"), "there is no key absent.pub"),
        (("verify", "oci://host"), "does not begin with the host of a registry"),
    ],
)
def test_what_a_person_gets_wrong_is_an_error_with_a_way_out(
    arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments, code=2)

    assert said in done.stderr
    assert "Traceback" not in done.output


def test_a_file_that_is_no_archive_is_told() -> None:
    Path("empty.tar").write_bytes(b"no tar at all")

    for name in ("empty.tar", "oci-archive:empty.tar"):
        assert "empty.tar is no image layout" in run("verify", name, code=3).stderr


def test_the_page_names_every_cause_and_every_document() -> None:
    from harness.flows.evidence import NAMES
    from harness.image.difference import CAUSES

    text = (Path(__file__).parents[2] / "docs/evidence.md").read_text(encoding="utf-8")

    for word in (*CAUSES, *NAMES, "compressor", "settings", "manifest", "harness.verify/1"):
        assert f"`{word}`" in text, word
