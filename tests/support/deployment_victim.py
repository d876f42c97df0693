"""A tenant with one of everything, for callers of another tenant to look for."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from google.protobuf import empty_pb2  # noqa: F401 - the well-known types are loaded with the API's

from hallmark_client import ArtifactKind, Client
from rpc.test_appraisal import NEW_PATCHES
from rpc.test_gated_keys import Phone
from rpc.wire import fresh_name
from support.deployment_probes import Names
from support.service import RunningService

TENANT: Final = "default"
_PARENT: Final = f"tenants/{TENANT}"
ACCESS_POLICY: Final = b'@id("everything") permit (principal, action, resource);'


def one_of_everything(service: RunningService, folder: Path) -> Names:
    """Full names, by kind."""
    phone = Phone(service, folder)
    with service.client() as admin, service.client("backend") as backend:
        artifact = f"{_PARENT}/artifacts/{hashlib.sha256(b'weights of the victim').hexdigest()}"
        admin.artifacts.suspend(artifact.rpartition("/")[2])
        admin.artifacts.set_minimum_version("victim", 3)
        names = {
            "tenant": _PARENT,
            "device": phone.name,
            "verdict": phone.verdict,
            "artifact": artifact,
            "challenge": backend.devices.create_challenge().name,
            **_keys(admin),
            **_governance(admin, phone.name),
        }
        names |= _release(admin, names["envelopeKey"])
        names["removal"] = backend.removals.request(phone.name, artifact.rpartition("/")[2]).name
        consent = backend.consents.grant(
            "a person of the victim",
            controller="https://victim.example",
            purposes=["dpv:FraudPreventionAndDetection"],
            artifacts=[artifact],
        )
        names["consent"] = consent.consent.name
    return names


def _keys(admin: Client) -> Names:
    key = admin.keys.create(fresh_name("victim"))
    envelopes = admin.keys.create(fresh_name("victim"), purpose="ENVELOPE")
    alias = admin.aliases.set(fresh_name("victim"), key.name)
    assert key.log is not None
    return {
        "key": key.name,
        "version": key.versions[0].name,
        "envelopeKey": envelopes.name,
        "envelopeVersion": envelopes.versions[0].name,
        "alias": alias.name,
        "eventKey": key.log.event_key,
        "wrappingKey": admin.keys.wrapping_key().name,
    }


def _release(admin: Client, envelope_key: str) -> Names:
    model = fresh_name("victim")
    key = admin.envelopes.data_key(envelope_key, info=admin.releases.content_key_info(model, version="1", epoch=1))
    made = admin.releases.create(
        model,
        version="1",
        epoch=1,
        kind=ArtifactKind.MODEL_WEIGHTS,
        statement_sha256=os.urandom(32),
        index_sha256=bytes(32),
        key_version=key.key_version,
        content_key_envelope=key.envelope,
    )
    return {"release": made.release.name, "released": made.release.artifact}


def _governance(admin: Client, device: str) -> Names:
    version = admin.keys.create(fresh_name("victim")).versions[0].name
    grant = admin.access.grant(
        "spiffe://hallmark.local/tenants/default/backend/backend",
        ["KeyService.GetKey"],
        expire_time=datetime.now(UTC) + timedelta(days=1),
        resources=[device],
    )
    return {
        "proposal": admin.approvals.propose("DESTROY", version, reason="for others to look for").name,
        "policy": admin.policies.set(NEW_PATCHES).policy.name,
        "accessPolicy": admin.access.set(ACCESS_POLICY).policy.name,
        "grant": grant.grant.name,
        "anchor": admin.anchors.list()[0].name,
        "collateral": f"{_PARENT}/collateral/01a201af-5dae-766f-bf96-a12cacf93976",
        "family": f"{_PARENT}/models/victim",
        "ssfReceiver": f"{_PARENT}/ssfReceivers/victim",
    }
