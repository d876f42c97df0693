"""SHA-256 of every input of a verdict. Each value is written as JSON with sorted keys, bytes as hex, so that anyone can
compute the same digest from the same inputs; the evidence is hashed as it came, part by part.
"""

import json
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from enum import Enum
from hashlib import sha256
from typing import Any

from attestation.case import Case
from attestation.model import Evidence, InputDigests
from attestation.status import StatusList


def digest_inputs(case: Case) -> InputDigests:
    return InputDigests(
        evidence=digest_evidence(case.evidence),
        expectation=_digest(case.expectation),
        anchors=_digest(sorted(map(canonical_json, case.anchors.for_format(case.evidence.format)))),
        collateral=_digest(case.collateral),
        policy=_digest(case.policy),
    )


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
