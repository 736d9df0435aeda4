"""Signed bytes: a DSSE envelope with Ed25519 signatures.

Formats: Dead Simple Signing Envelope v1.0.2 (envelope.md, protocol.md), RFC 8032. A key's id is the
sha256 of its SubjectPublicKeyInfo (RFC 5280), a hint only. Keys are read by `harness.world.keys`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.core import canonical
from harness.core.errors import EvidenceInvalid
from harness.world.keys import PrivateKey, PublicKey

MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """An envelope's payload, its media type, and the ids of the keys that its signatures are said
    to be of (*claimed*) and, of those that were trusted, are proved to be of (*signers*)."""

    payload: bytes
    payload_type: str
    claimed: tuple[str, ...]
    signers: tuple[str, ...]


def sign(payload: bytes, payload_type: str, key: PrivateKey) -> bytes:
    """Return the envelope of *payload*; Ed25519 draws nothing, so it is the same every time."""
    signature = key.sign(pre_authentication(payload, payload_type))
    return canonical.dumps(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key.public.id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def opened(envelope: bytes, trusted: Iterable[PublicKey], *, where: str) -> Opened:
    """Return what *envelope* holds, and which of the *trusted* keys signed exactly that.

    No signature that holds is no error here, but an empty *signers*. Raises EvidenceInvalid for
    what is no envelope.
    """
    try:
        body: Mapping[str, object] = json.loads(envelope)
        payload, kind = _decoded(body["payload"]), str(body["payloadType"])
        signatures = body["signatures"]
        assert isinstance(signatures, list)
        pairs = [(str(one.get("keyid", "")), _decoded(one["sig"])) for one in signatures]
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as broken:
        raise EvidenceInvalid(
            f"{where} is no DSSE envelope: {broken}", hint="harness image evidence makes it anew"
        ) from broken
    signed = pre_authentication(payload, kind)
    signers = (key.id for key in trusted if any(key.verifies(sig, signed) for _, sig in pairs))
    return Opened(
        payload=payload,
        payload_type=kind,
        claimed=tuple(name for name, _ in pairs),
        signers=tuple(sorted(set(signers))),
    )


def pre_authentication(payload: bytes, payload_type: str) -> bytes:
    """Return the bytes that are signed (protocol.md, "PAE")."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _decoded(text: object) -> bytes:
    """Return base64's bytes; both alphabets are allowed (protocol.md)."""
    try:
        assert isinstance(text, str)
        return base64.b64decode(text.translate({45: 43, 95: 47}), validate=True)
    except binascii.Error as broken:
        raise ValueError(f"base64: {broken}") from broken
