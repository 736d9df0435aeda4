"""Provenance, envelopes, keys and referrers: each against the words of its format."""

from __future__ import annotations

import base64
import json
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_images import Made

from harness.core import canonical
from harness.core.digest import hexadecimal, of_bytes
from harness.core.errors import EvidenceInvalid, KeyUnusable, SpecInvalid
from harness.flows import evidence
from harness.image import dsse, provenance
from harness.image.referrers import referrer
from harness.image.statement import IN_TOTO
from harness.lock import pylock
from harness.world import keys

pytest.importorskip("cryptography", reason="cryptography is not installed")
openssl = pytest.mark.requires_tool("openssl", "python3")


@pytest.fixture(scope="module")
def made(bare: Made) -> Made:
    return bare


@pytest.fixture(scope="module")
def key() -> keys.PrivateKey:
    return keys.private(pem(), where="the test's key")


def pem(password: bytes | None = None) -> bytes:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ed25519

    hidden = s.BestAvailableEncryption(password) if password else s.NoEncryption()
    made = ed25519.Ed25519PrivateKey.generate()
    return made.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, hidden)


def public(key: keys.PrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization as s

    data: bytes = key.public.key.public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    return data


# provenance


def test_provenance_has_the_members_that_slsa_asks_for(made: Made) -> None:
    """SLSA v1.0: buildType, externalParameters and builder.id are REQUIRED."""
    body = provenance.provenance(made.packed, made.recipe)
    definition = body["predicate"]["buildDefinition"]

    assert ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1") == (
        body["_type"], body["predicateType"],
    )  # fmt: skip
    assert [{"sha256": hexadecimal(made.packed.digest)}] == [s["digest"] for s in body["subject"]]
    assert "urn:model-harness:image:v1" == definition["buildType"]
    assert "urn:model-harness:builder" == body["predicate"]["runDetails"]["builder"]["id"]
    assert {"harness.compressor", "harness.layout", "harness.bytecode", "harness.python"} == set(
        definition["internalParameters"]
    )


def test_every_file_that_went_in_is_a_resolved_dependency(made: Made) -> None:
    body = provenance.provenance(made.packed, made.recipe)

    named = {
        one["digest"]["sha256"]
        for one in body["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    lock = made.recipe.lock
    files = {one.digest for one in lock.packages} | {one.digest for one in lock.debs}
    assert {hexadecimal(digest) for digest in files} == named


def test_the_lock_in_it_is_whole_and_is_read_again(made: Made) -> None:
    body = json.loads(canonical.dumps(provenance.provenance(made.packed, made.recipe)))

    assert made.recipe == provenance.recipe(body)
    text = body["predicate"]["buildDefinition"]["externalParameters"]["lock"]["text"]
    assert made.recipe.lock == pylock.loads(text)


@pytest.mark.parametrize("gone", ["buildType", "externalParameters"])
def test_a_member_that_is_missing_is_an_error_and_no_traceback(made: Made, gone: str) -> None:
    body = json.loads(canonical.dumps(provenance.provenance(made.packed, made.recipe)))
    del body["predicate"]["buildDefinition"][gone]

    with pytest.raises(EvidenceInvalid, match=gone):
        provenance.recipe(body)


def test_another_builders_provenance_is_refused_by_its_name(made: Made) -> None:
    body = json.loads(canonical.dumps(provenance.provenance(made.packed, made.recipe)))
    body["predicate"]["buildDefinition"]["buildType"] = "urn:somebody:else"

    with pytest.raises(EvidenceInvalid, match="urn:somebody:else"):
        provenance.recipe(body)


# envelopes


def test_what_is_signed_is_what_the_protocol_says() -> None:
    """DSSE protocol.md, the example of PAE."""
    assert b"DSSEv1 29 http://example.com/HelloWorld 11 hello world" == dsse.pre_authentication(
        b"hello world", "http://example.com/HelloWorld"
    )


@given(st.binary(max_size=200), st.text("abc/+.-", min_size=1, max_size=20))
def test_an_envelope_holds_what_was_signed(key: keys.PrivateKey, payload: bytes, kind: str) -> None:
    opened = dsse.opened(dsse.sign(payload, kind, key), [key.public], where="x")

    assert (payload, kind, (key.public.id,)) == (
        opened.payload, opened.payload_type, opened.signers,
    )  # fmt: skip


@pytest.mark.parametrize("change", ["payload", "payloadType", "sig"])
def test_no_changed_member_is_signed(key: keys.PrivateKey, change: str) -> None:
    body = json.loads(dsse.sign(b"hello", "a/b", key))
    if change == "sig":
        sig = bytearray(base64.b64decode(body["signatures"][0]["sig"]))
        sig[0] ^= 1
        body["signatures"][0]["sig"] = base64.b64encode(sig).decode()
    else:
        body[change] = {"payload": base64.b64encode(b"hullo").decode(), "payloadType": "a/c"}[
            change
        ]

    opened = dsse.opened(canonical.dumps(body), [key.public], where="x")

    assert () == opened.signers
    assert (key.public.id,) == opened.claimed


def test_the_name_of_a_key_proves_nothing(key: keys.PrivateKey) -> None:
    body = json.loads(dsse.sign(b"hello", "a/b", keys.private(pem(), where="another")))
    body["signatures"][0]["keyid"] = key.public.id

    assert () == dsse.opened(canonical.dumps(body), [key.public], where="x").signers


@given(st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid"]), inner
    ),
))  # fmt: skip
def test_whatever_json_it_is_it_is_read_or_refused(value: Any) -> None:
    with suppress(EvidenceInvalid):
        dsse.opened(json.dumps(value).encode(), [], where="x")


@openssl
def test_openssl_alone_checks_a_signature(key: keys.PrivateKey, made: Made, tmp_path: Path) -> None:
    """The commands of docs/evidence.md, for whoever has no Harness."""
    documents = evidence.of_image(made.packed, made.recipe, made.store, key=key)
    evidence.write(tmp_path, made.packed, documents)
    (tmp_path / "key.pub").write_bytes(public(key))
    text = (Path(__file__).parents[2] / "docs/evidence.md").read_text(encoding="utf-8")
    script = text.split("```sh\n# check")[1].split("```")[0].partition("\n")[2]

    def checked() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-euc", script], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    good = checked()
    assert 0 == good.returncode, good.stdout + good.stderr
    assert "Signature Verified Successfully" in good.stdout
    path = tmp_path / "provenance.dsse.json"
    body = json.loads(path.read_bytes())
    body["payload"] = base64.b64encode(base64.b64decode(body["payload"]) + b" ").decode()
    path.write_bytes(canonical.dumps(body))
    assert 0 != checked().returncode


# keys


def test_a_key_is_named_by_the_sha256_of_its_public_form(key: keys.PrivateKey) -> None:
    lines = public(key).decode().strip().splitlines()[1:-1]

    der = base64.b64decode("".join(lines))
    assert hexadecimal(of_bytes(der)) == key.public.id == keys.public(public(key), where="x").id


def test_other_keys_are_refused_with_a_way_out(tmp_path: Path, key: keys.PrivateKey) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()
    )
    for data, said in ((pem(b"x"), "password"), (b"hello", "PEM"), (curve, "Ed25519")):
        with pytest.raises(KeyUnusable, match=said) as refused:
            keys.private(data, where="k")
        assert refused.value.hint
    with pytest.raises(KeyUnusable, match="no public key"):
        keys.public(pem(), where="k")
    with pytest.raises(KeyUnusable, match="there is no key"):
        keys.signing(tmp_path / "absent")


def test_the_variable_holds_a_file_or_the_key_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CONFIG", str(tmp_path / "config.toml"))
    text = pem()
    (tmp_path / "key.pem").write_bytes(text)
    wanted = keys.private(text, where="x").public.id

    for value in (text.decode(), str(tmp_path / "key.pem")):
        found = keys.signing(env={"HARNESS_SIGNING_KEY": value})
        assert found is not None
        assert wanted == found.public.id
    assert keys.signing(env={}) is None


def test_the_configuration_names_keys_beside_it_and_its_problems_are_told_together(
    tmp_path: Path,
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[signing]\nkey = "key.pem"\ntrusted = ["a.pub"]\n')
    assert {"key": str(tmp_path / "key.pem"), "trusted": [str(tmp_path / "a.pub")]} == dict(
        keys.configured(config)
    )

    config.write_text('[signing]\nkey = 1\ntrusted = "a.pub"\nkeys = []\n')
    with pytest.raises(SpecInvalid) as refused:
        keys.configured(config)
    for said in ("signing.key:", "signing.trusted:", "signing.keys:"):
        assert said in refused.value.message


# referrers


def test_a_referrer_names_the_image_and_is_no_image(made: Made) -> None:
    """manifest.md: an artifact has an artifactType, the empty config, and its subject."""
    one = referrer(made.packed.manifest_bytes, b"payload", IN_TOTO, {"k": "v"})
    manifest = json.loads(one.manifest)

    assert made.packed.digest == manifest["subject"]["digest"]
    assert len(made.packed.manifest_bytes) == manifest["subject"]["size"]
    assert "application/vnd.oci.empty.v1+json" == manifest["config"]["mediaType"]
    assert IN_TOTO == manifest["artifactType"] == one.descriptor["artifactType"]
    assert of_bytes(one.manifest) == one.descriptor["digest"]
    assert {b"{}", b"payload"} == set(one.blobs.values())


def test_evidence_is_the_same_every_time_and_says_nothing_of_this_machine(
    made: Made, key: keys.PrivateKey
) -> None:
    one, two = (evidence.of_image(made.packed, made.recipe, made.store, key=key) for _ in range(2))

    assert one == two
    assert all(str(made.store.root).encode() not in document.data for document in one)


def test_a_promotion_is_evidence_of_its_own_image_only(made: Made) -> None:
    run = {
        "image": {"digest": made.packed.digest},
        "stages": [
            {"stage": "contract", "outcome": "passed"},
            {"stage": "integration", "outcome": "failed"},
        ],
        "digests": {"lock": made.recipe.lock.digest},
    }
    other = {**run, "image": {"digest": made.image.config}}

    found = evidence.of_image(made.packed, made.recipe, made.store, run=run)
    none = evidence.of_image(made.packed, made.recipe, made.store, run=other)

    tests = json.loads(next(d.data for d in found if d.name == "tests"))
    assert ("FAILED", ["contract"], ["integration"]) == tuple(
        tests["predicate"][name] for name in ("result", "passedTests", "failedTests")
    )
    assert "tests" not in [document.name for document in none]
