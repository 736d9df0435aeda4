"""All that is said of an image beside it: its bill of materials, how it was made, how it was tested
and decided on; signed where there is a key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import canonical
from harness.core.digest import Digest, hexadecimal
from harness.core.errors import EvidenceInvalid
from harness.image import dsse, sbom
from harness.image.pack import Packed
from harness.image.provenance import provenance
from harness.image.recipe import Recipe
from harness.image.referrers import Referrer, referrer
from harness.image.shipped import Attached
from harness.image.statement import IN_TOTO, statement
from harness.ledger import attest
from harness.ledger.entry import Entry
from harness.world import files
from harness.world.keys import PrivateKey
from harness.world.store import Store

TESTS = "https://in-toto.io/attestation/test-result/v0.1"
ANNOTATION = "in-toto.io/predicate-type"
ENDINGS = {
    sbom.MEDIA_TYPE: ".cdx.json",
    IN_TOTO: ".intoto.json",
    dsse.MEDIA_TYPE: ".dsse.json",
}
"""How a file of evidence ends, by what is in it."""
NAMES = ("sbom", "provenance", "tests", "decision")


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One document: *name* is ``sbom``, ``provenance``, ``tests`` or ``decision``."""

    name: str
    media_type: str
    predicate_type: str
    data: bytes

    @property
    def file(self) -> str:
        """Its name in a folder."""
        return self.name + ENDINGS[self.media_type]


def of_image(
    packed: Packed,
    recipe: Recipe,
    store: Store,
    *,
    key: PrivateKey | None = None,
    run: Mapping[str, Any] | None = None,
    entries: Iterable[Entry] = (),
) -> tuple[Evidence, ...]:
    """Return the evidence of *packed*, made of *recipe*.

    *run* is a promotion's ``harness.verdict/1`` and *entries* a ledger; what speaks of another
    image is left out. With a *key* each Statement comes in an envelope; the bill of materials
    comes both plain, for scanners, and as a signed Statement.
    """
    materials = sbom.sbom(packed.image, recipe, store)
    statements = {"provenance": provenance(packed, recipe)}
    if run is not None and run.get("image", {}).get("digest") == packed.digest:
        statements["tests"] = tests(recipe.name, packed.digest, run)
    ledger = tuple(entries)
    results = [e for e in ledger if e.kind == "result" and e.body.get("image") == packed.digest]
    if results:
        statements["decision"] = attest.statement(ledger, results[-1])
    if key is not None:
        about = statement(recipe.name, packed.digest, sbom.PREDICATE, materials)
        statements["sbom"] = about
    plain = Evidence(
        name="sbom",
        media_type=sbom.MEDIA_TYPE,
        predicate_type=sbom.PREDICATE,
        data=canonical.dumps(materials),
    )
    return (plain, *(_written(name, body, key) for name, body in sorted(statements.items())))


def tests(name: str, image: Digest, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Statement of how a promotion's *run* tested *image* (in-toto test-result v0.1)."""
    outcomes = {stage["stage"]: stage["outcome"] for stage in run["stages"]}
    passed = [stage for stage, outcome in outcomes.items() if outcome == "passed"]
    failed = [stage for stage in outcomes if stage not in passed]
    return statement(
        name,
        image,
        TESTS,
        {
            "result": "FAILED" if failed else "PASSED",
            "configuration": [
                {"name": what, "digest": {"sha256": hexadecimal(Digest(digest))}}
                for what, digest in sorted(run["digests"].items())
            ],
            "passedTests": passed,
            "failedTests": failed,
        },
    )


def referrers(packed: Packed, evidence: Iterable[Evidence]) -> tuple[Referrer, ...]:
    """Return *evidence* as referrers of *packed*, to be pushed beside it."""
    return tuple(referrer_of(packed.manifest_bytes, one) for one in evidence)


def referrer_of(manifest: bytes, one: Evidence) -> Referrer:
    """Return one document as a referrer of the image with that *manifest*."""
    return referrer(manifest, one.data, one.media_type, {ANNOTATION: one.predicate_type})


def write(folder: Path, packed: Packed, evidence: Iterable[Evidence]) -> tuple[Path, ...]:
    """Write *evidence* and the manifest that it speaks of into *folder*; return the files."""
    found = {"manifest.json": packed.manifest_bytes} | {one.file: one.data for one in evidence}
    for name in (f"{stem}{end}" for stem in NAMES for end in ENDINGS.values()):
        if name not in found:  # of another image, or signed before and now not
            (folder / name).unlink(missing_ok=True)
    for name, data in found.items():
        files.write_atomic(folder / name, data)
    return tuple(folder / name for name in sorted(found))


def read(folder: Path) -> tuple[Attached, ...]:
    """Return the evidence that lies in *folder*; raises EvidenceInvalid where there is none."""
    found = tuple(
        Attached(media_type=kind, data=path.read_bytes(), where=str(path))
        for kind, end in ENDINGS.items()
        for path in sorted(folder.glob(f"*{end}"))
    )
    if not found:
        raise EvidenceInvalid(
            f"{folder} holds no evidence", hint=f"harness image evidence WHAT --to {folder}"
        )
    return found


def run_of(state: Path) -> Mapping[str, Any] | None:
    """Return the verdict that the last promotion left in *state*, if there is one."""
    try:
        body = json.loads((state / "verdict.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _written(name: str, body: Mapping[str, Any], key: PrivateKey | None) -> Evidence:
    data = canonical.dumps(body)
    return Evidence(
        name=name,
        media_type=IN_TOTO if key is None else dsse.MEDIA_TYPE,
        predicate_type=str(body["predicateType"]),
        data=data if key is None else dsse.sign(data, IN_TOTO, key),
    )
