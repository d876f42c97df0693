"""The content key of a release, delivered to a device of the SDK: sealed for it alone, gated by consent."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_client import Client
from hallmark_client.device.audit import AuditAct
from hallmark_client.errors import FailedPrecondition, VerificationFailed
from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.enums import KeyPurpose
from rpc.device.world import Place, grant, until
from rpc.wire import fresh_name
from support.service import RunningService


@pytest.fixture
def backend(service: RunningService) -> Iterator[Client]:
    with service.client("backend") as client:
        yield client


@pytest.fixture
def place(service: RunningService, tmp_path: Path) -> Place:
    return Place(service, tmp_path / "vault")


def released(service: RunningService, *, requires_consent: bool = False) -> tuple[str, bytes]:
    """Digest of a release's statement, and its content key."""
    digest = bytes.fromhex(fresh_name("").removeprefix("-") * 5 + "abcd")
    with service.client() as admin:
        key = admin.keys.create(fresh_name(), purpose=KeyPurpose.ENVELOPE)
        model = fresh_name("model")
        info = admin.releases.content_key_info(model, version="1", epoch=3)
        sealed = admin.envelopes.data_key(key.name, info=info)
        admin.releases.create(
            model,
            version="1",
            epoch=3,
            kind=ArtifactKind.MODEL_WEIGHTS,
            statement_sha256=digest,
            index_sha256=bytes(32),
            key_version=sealed.key_version,
            content_key_envelope=sealed.envelope,
            requires_consent=requires_consent,
        )
        return digest.hex(), bytes(sealed.plaintext)


def test_a_device_gets_the_key_of_a_release_and_writes_it_down(service, place) -> None:
    digest, content_key = released(service)
    with place.enrol() as device:
        assert device.request_key(digest) == content_key
        assert device.request_key(digest, epoch=3) == content_key
        with pytest.raises(VerificationFailed):
            device.request_key(digest, epoch=2)
        received = [entry for entry in device.vault.audit.entries() if entry.record.act is AuditAct.KEY_RECEIVED]
        assert [entry.record.facts["artifact"].rpartition("/")[2] for entry in received] == [digest, digest]
        assert content_key.hex() not in json.dumps([entry.to_dict() for entry in received])


def test_without_a_consent_there_is_no_key_and_after_it_none_any_more(service, backend, place) -> None:
    digest, content_key = released(service, requires_consent=True)
    with place.enrol() as device:
        with pytest.raises(FailedPrecondition) as refused:
            device.request_key(digest)
        assert refused.value.reason == "LEASE_REQUIRED"
        consent = grant(backend, device, digest)
        assert device.request_key(digest, consent=consent) == content_key
        (removal,) = backend.consents.withdraw(consent).removals
        with pytest.raises(FailedPrecondition):
            device.request_key(digest, consent=consent)
        device.start()
        until(lambda: str(backend.removals.get(removal).grade) == "A1", device.status)
