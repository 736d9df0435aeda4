"""A claim about an image: an in-toto Statement v1.

Format: in-toto Attestation Framework, Statement v1; media type ``application/vnd.in-toto+json``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.core.digest import Digest, hexadecimal
from harness.core.errors import EvidenceInvalid

TYPE = "https://in-toto.io/Statement/v1"
IN_TOTO = "application/vnd.in-toto+json"


def statement(name: str, image: Digest, kind: str, predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Statement that says *predicate*, of the type *kind*, of an *image* by its
    manifest's digest."""
    return {
        "_type": TYPE,
        "subject": [{"name": name, "digest": {"sha256": hexadecimal(image)}}],
        "predicateType": kind,
        "predicate": dict(predicate),
    }


def parsed(data: bytes, *, where: str) -> dict[str, Any]:
    """Return the Statement in *data*; raises EvidenceInvalid for what is none."""
    try:
        body = json.loads(data)
        whole = (
            body["_type"] == TYPE
            and isinstance(body["predicateType"], str)
            and isinstance(body["predicate"], dict)
            and all(isinstance(one["digest"], dict) for one in body["subject"])
        )
    except (ValueError, KeyError, TypeError) as broken:
        raise _invalid(where, str(broken) or type(broken).__name__) from broken
    if not whole:
        raise _invalid(where, "a member is missing or of another kind")
    return dict(body)


def speaks_of(body: Mapping[str, Any], image: Digest) -> bool:
    """Tell whether a Statement is about the *image* with that manifest digest."""
    return any(one["digest"].get("sha256") == hexadecimal(image) for one in body["subject"])


def _invalid(where: str, why: str) -> EvidenceInvalid:
    return EvidenceInvalid(
        f"{where} is no in-toto Statement v1: {why}", hint="harness image evidence makes it anew"
    )
