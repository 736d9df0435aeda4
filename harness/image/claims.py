"""What is said of an image by documents beside it, and whose word each of them is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.core.digest import Digest
from harness.core.errors import EvidenceInvalid
from harness.image import dsse, sbom, statement
from harness.image.shipped import Attached
from harness.world.keys import PublicKey


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A document: what it says (*kind*, a predicate type), *where* it was found, and its *body*,
    None for what is no Statement. *claimed* are the ids of the keys whose signature it says it
    bears, *signers* those of the trusted keys whose signature it does bear. A *problem* is why it
    can't be read: whoever may push can put anything beside an image."""

    kind: str
    where: str
    claimed: tuple[str, ...] = ()
    signers: tuple[str, ...] = ()
    body: Mapping[str, Any] | None = None
    problem: str = ""

    def about(self, image: Digest | None) -> bool:
        """Tell whether it is a Statement about the *image* with that manifest digest."""
        return bool(image and self.body is not None and statement.speaks_of(self.body, image))


def claims(attached: Iterable[Attached], trusted: tuple[PublicKey, ...]) -> tuple[Claim, ...]:
    """Return what is *attached*, signatures checked against the *trusted* keys.

    Documents of other kinds are left out.
    """
    found = []
    for one in attached:
        try:
            claim = _claim(one, trusted)
        except EvidenceInvalid as damaged:
            claim = Claim(kind=one.media_type, where=one.where, problem=damaged.message)
        if claim is not None:
            found.append(claim)
    return tuple(found)


def _claim(one: Attached, trusted: tuple[PublicKey, ...]) -> Claim | None:
    match one.media_type:
        case sbom.MEDIA_TYPE:
            return Claim(kind=sbom.PREDICATE, where=one.where)
        case statement.IN_TOTO:
            body = statement.parsed(one.data, where=one.where)
            return Claim(kind=body["predicateType"], where=one.where, body=body)
        case dsse.MEDIA_TYPE:
            opened = dsse.opened(one.data, trusted, where=one.where)
            if opened.payload_type != statement.IN_TOTO:
                return None
            body = statement.parsed(opened.payload, where=one.where)
            return Claim(
                kind=body["predicateType"],
                where=one.where,
                claimed=opened.claimed,
                signers=opened.signers,
                body=body,
            )
        case _:
            return None
