"""SHA-256 of every input of a verdict. Each value is written as JSON with sorted keys, bytes as hex, so that anyone can
compute the same digest from the same inputs; the evidence is hashed as it came, part by part.
"""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any

from attestation.case import Case
from attestation.crl import Crl
from attestation.fido_metadata import FidoMetadata
from attestation.intel_collateral import IntelCollateral
from attestation.model import COMPOSED, Evidence, InputDigests, TrustAnchor
from attestation.status import StatusList


def digest_inputs(case: Case) -> InputDigests:
    return InputDigests(
        evidence=digest_evidence(case.evidence),
        expectation=_digest(case.expectation),
        **{name: sha256(text.encode()).hexdigest() for name, text in input_documents(case).items()},
    )


def input_documents(case: Case) -> dict[str, str]:
    """Anchors, collateral and policy as the canonical JSON that their digests are of: what an archive keeps."""
    return {
        "anchors": canonical_json(sorted({canonical_json(anchor) for anchor in _anchors(case)})),
        "collateral": canonical_json(case.collateral),
        "policy": canonical_json(case.policy),
    }


def _anchors(case: Case) -> Iterator[TrustAnchor]:
    """Those that the format may end in; composed evidence ends in the anchors of its parts too."""
    for form in (case.evidence.format, *COMPOSED.get(case.evidence.format, ())):
        yield from case.anchors.for_format(form)


def digest_evidence(evidence: Evidence) -> str:
    """Hash of format and parts, each after its length in 8 octets, big endian, so that parts cannot run together."""
    state = sha256()
    for piece in (evidence.format.encode(), *(x for part in evidence.parts for x in (part.name.encode(), part.data))):
        state.update(len(piece).to_bytes(8) + piece)
    return state.hexdigest()


def canonical_json(value: Any) -> str:
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def plain(value: Any) -> Any:
    """JSON form of a value of this package: bytes as hex, times as ISO 8601, sets sorted, status lists by digest."""
    match value:
        case StatusList():
            return {"sha256": value.sha256, "fetched_at": value.fetched_at.isoformat()}
        case Crl() | IntelCollateral() | FidoMetadata():
            return {"sha256": value.sha256}
        case Enum():
            return value.value
        case bytes():
            return value.hex()
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case frozenset():
            return sorted(map(plain, value))
        case tuple() | list():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value


def _digest(value: Any) -> str:
    return sha256(canonical_json(value).encode()).hexdigest()
