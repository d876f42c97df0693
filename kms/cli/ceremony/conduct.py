"""Carries a reviewed plan out, through the running service: check everything, create, prove, write down, sign.

A run that was cut short is repeated with the same file: request ids come from it, so the answers are the first ones.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from hallmark_client.errors import NotFound
from hallmark_client.model.enums import Algorithm, KeyPurpose
from hallmark_client.model.keys import Key, RotationPolicy, Signature, UsageLimits
from hallmark_composite import CompositePublicKey
from kms.cli.ceremony.plan import CEREMONY_LABEL, PlannedKey, ReviewedPlan
from kms.cli.failure import not_so
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time

if TYPE_CHECKING:
    from hallmark_client.client import Client

TRANSCRIPT_TYPE: Final = "hallmark/key-ceremony/v1"
_NAMESPACE: Final = uuid.UUID("5b0a4c8e-2f4e-4f0a-9a57-6f0f3c0c6d11")


@dataclass(frozen=True, slots=True)
class Minutes:
    """`transcript`: canonical JSON. `signature`: of exactly these bytes, with its log proof; `signer`: its key."""

    transcript: bytes
    signature: Signature
    signer_pem: str
    keys: tuple[Key, ...]


def check_server(client: "Client", reviewed: ReviewedPlan) -> None:
    """That all of it can be done; changes nothing. Raises CommandError (CEREMONY_NOT_POSSIBLE), HallmarkError."""
    plan = reviewed.plan
    capabilities = client.capabilities()
    problems = [] if capabilities.hsm.usable else [f"the HSM is not usable: {capabilities.hsm.problem}"]
    for planned in plan.keys:
        title = planned.key_algorithm().title
        if title not in {algorithm.value for algorithm in capabilities.algorithms}:
            problems.append(f"{planned.id}: the server does not offer {title}")
        existing = _find(client, planned.id)
        if existing is not None and existing.labels.get(CEREMONY_LABEL) != reviewed.sha256:
            problems.append(f"{planned.id}: there is such a key already, and not from this ceremony")
    if plan.signer is None:
        problems += _signer_problems(_find(client, plan.transcript.signed_by), plan.transcript.signed_by)
    if problems:
        listed = "\n  ".join(problems)
        raise not_so("CEREMONY_NOT_POSSIBLE", f"the ceremony can not be held as planned:\n  {listed}")


def hold(client: "Client", reviewed: ReviewedPlan) -> Minutes:
    """Creates the keys and signs what happened. Raises HallmarkError, CommandError (CEREMONY_LOG_DIFFERS)."""
    begin, log = datetime.now(UTC), client.capabilities().log
    keys = tuple(_create(client, planned, reviewed) for planned in reviewed.plan.keys)
    proved = [_prove(key, log.verifier_keys, log.origin) for key in keys]
    signer = client.keys.public_key(reviewed.plan.transcript.signed_by)
    transcript = canonical_json(
        {
            "type": TRANSCRIPT_TYPE,
            "title": reviewed.plan.title,
            "plan_sha256": reviewed.sha256,
            "present": [{"name": person.name, "role": person.role} for person in reviewed.plan.present],
            "begin_time": format_time(begin),
            "end_time": format_time(datetime.now(UTC)),
            "log": {"origin": log.origin, "verifier_keys": list(log.verifier_keys)},
            "keys": list(proved),
            "signed_by": {"key_version": signer.name, "public_key_sha256": _spki_sha256(signer.composite())},
        }
    )
    # The version, not the key: a rotation in between must not sign with another key than the transcript names.
    signature = client.signing.sign(signer.name, transcript, wait="published")
    return Minutes(transcript, signature, signer.pem, keys)


def _create(client: "Client", planned: PlannedKey, reviewed: ReviewedPlan) -> Key:
    settings, rotation = planned.settings(), planned.settings().rotation
    limits = settings.usage_limits
    return client.keys.create(
        planned.id,
        algorithm=planned.key_algorithm().title,
        purpose=planned.purpose.upper(),
        labels={**planned.labels, CEREMONY_LABEL: reviewed.sha256},
        rotation=RotationPolicy(
            period=rotation.period, publish_lead=rotation.publish_lead, verify_tail=rotation.verify_tail
        ),
        usage_limits=UsageLimits(per_second=limits.per_second, total=limits.total, not_after=limits.not_after),
        destroy_wait=settings.destroy_wait,
        export_policy=settings.export_policy.value.upper(),
        request_id=str(uuid.uuid5(_NAMESPACE, f"{reviewed.sha256} {planned.id}")),
        wait="published",
    )


def _prove(key: Key, verifier_keys: tuple[str, ...], origin: str) -> dict[str, Json]:
    """For the transcript, after the log's proof was verified and its entry is about this very public key."""
    assert key.log is not None, "every answer that changes a key has one"
    logged = key.log.verify(verifier_keys, origin)
    entry = json.loads(key.log.entry)
    version = key.versions[-1]
    said = (entry["type"], entry["subject"], entry["details"].get("public_key_sha256"))
    if said != ("key.created", version.name, version.public_key_sha256):
        raise not_so("CEREMONY_LOG_DIFFERS", f"the log's entry about {key.name} is not about the key that was answered")
    return {
        "name": version.name,
        "algorithm": key.algorithm.value,
        "purpose": key.purpose.value,
        "protection_level": version.protection_level.value,
        "public_key_sha256": version.public_key_sha256,
        "create_time": format_time(version.create_time),
        "labels": _json(key.labels),
        "log_entry": key.log.entry.decode(),
        "leaf_index": logged.leaf_index,
        "tlog_proof": key.log.tlog_proof.decode(),
    }


def _signer_problems(key: Key | None, name: str) -> list[str]:
    if key is None:
        return [f"transcript.signed_by: there is no key {name}, and none is planned"]
    composites = {algorithm for algorithm in Algorithm if algorithm.value.startswith("id-")}
    if key.purpose is not KeyPurpose.SIGN or key.algorithm not in composites or not key.primary_version:
        return [f"transcript.signed_by: {name} must be a composite key of purpose sign that may sign now"]
    return []


def _find(client: "Client", key_id: str) -> Key | None:
    try:
        return client.keys.get(key_id)
    except NotFound:
        return None


def _spki_sha256(key: CompositePublicKey) -> str:
    return hashlib.sha256(key.to_spki_der()).hexdigest()


def _json(labels: Mapping[str, str]) -> dict[str, Json]:
    return dict(labels)


def check_reviewed(reviewed: ReviewedPlan, expected: str) -> None:
    """Raises CommandError when this is not the file that was reviewed."""
    if reviewed.sha256 != expected.strip().lower():
        raise not_so("CEREMONY_PLAN_CHANGED", f"this is not the reviewed file: its SHA-256 is {reviewed.sha256}")
