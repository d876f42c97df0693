"""Devices, challenges, verdicts (RATS, RFC 9334)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hallmark_client.model.enums import DeviceState, EvidenceFormat
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge(Result):
    """A fresh challenge for one attestation. challenge: 32 random bytes; good once, until expire_time."""

    name: str
    challenge: bytes
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict(Result):
    """Two questions, answered apart.

    authentic: the evidence is genuine, bound and fresh. appraised: the policy likes what it says; never true unless
    authentic is. reasons: closed codes, empty when both are true. detail: a sentence. claims: plain JSON values.
    not_checked: said plainly. input_sha256: hex SHA-256 of every input.
    """

    name: str
    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]
    detail: str
    claims: Mapping[str, Any]
    not_checked: tuple[str, ...]
    input_sha256: Mapping[str, str]
    verify_time: datetime
    format: EvidenceFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Device(Result):
    """An enrolled device. key_spki: the attested key, SubjectPublicKeyInfo in DER."""

    name: str
    state: DeviceState
    latest_verdict: Verdict
    key_spki: bytes
    create_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attestation(Result):
    """The answer to evidence. A refusal is an answer too: look at verdict. device: set when the verdict is positive."""

    verdict: Verdict
    device: Device | None
    log: LogPromise
    replayed: bool
