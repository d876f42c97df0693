"""The AK of a TPM enrols by opening a credential of the service, and its quotes are believed from then on."""

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import quote
from attestation.model import Evidence as LibraryEvidence
from attestation.testing.tpm_wire import name_of
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker
from attestation.tpm_structures import parse_public
from hallmark.v1 import collateral_pb2, collateral_pb2_grpc, devices_pb2, devices_pb2_grpc
from hallmark_client import Attestation, Challenge, Client, Evidence, EvidenceFormat, Profile, TpmKeys
from kms.core.clock import SystemClock
from rpc.wire import PARENT, channel, fresh_id, refused
from support.real_tpm import Tpm, needs_real_tpm, running_tpm
from support.service import RunningService
from support.tpm_flow import activation, bare_quote, keys_message


def _trust_ek(service: RunningService, ek_public: bytes) -> None:
    """As an operator does who knows the EK: by its name."""
    data = json.dumps({"tpm_keys": [{"name": name_of(ek_public).hex()}]}).encode()
    with channel(service, "admin") as opened:
        request = collateral_pb2.PutCollateralRequest(
            parent=PARENT,
            kind=collateral_pb2.COLLATERAL_KIND_TPM_KEYS,
            data=data,
            label=fresh_id()[:8],
            request_id=fresh_id(),
        )
        collateral_pb2_grpc.CollateralServiceStub(opened).PutCollateral(request, timeout=20)


@pytest.fixture
def devices(service: RunningService) -> Iterator[devices_pb2_grpc.DeviceServiceStub]:
    with channel(service, "device") as opened:
        yield devices_pb2_grpc.DeviceServiceStub(opened)


def _ask(devices: devices_pb2_grpc.DeviceServiceStub, tpm: devices_pb2.TpmKeys | None) -> devices_pb2.Challenge:
    request = devices_pb2.CreateChallengeRequest(parent=PARENT, request_id=fresh_id(), tpm=tpm)
    return devices.CreateChallenge(request, timeout=20)


def _attest(
    devices: devices_pb2_grpc.DeviceServiceStub, challenge: str, evidence: LibraryEvidence
) -> devices_pb2.AttestDeviceResponse:
    parts = [devices_pb2.EvidencePart(name=part.name, data=part.data) for part in evidence.parts]
    message = devices_pb2.Evidence(format=devices_pb2.EVIDENCE_FORMAT_TPM, parts=parts)
    request = devices_pb2.AttestDeviceRequest(challenge=challenge, evidence=message, request_id=fresh_id())
    return devices.AttestDevice(request, timeout=20)


def test_an_ak_enrols_and_quotes(service: RunningService, devices) -> None:
    now = SystemClock().now()
    tpm = VirtualTpm.create(VirtualTpmMaker.create(now=now))
    early = _ask(devices, keys_message(tpm))
    assert early.challenge == b""
    evidence = activation(tpm, early.tpm_credential, now=now)
    assert list(_attest(devices, early.name, evidence).verdict.reasons) == ["UNTRUSTED_ROOT"]

    _trust_ek(service, tpm.ek_public)
    challenge = _ask(devices, keys_message(tpm))
    answer = _attest(devices, challenge.name, activation(tpm, challenge.tpm_credential, now=now))
    assert answer.verdict.appraised, answer.verdict
    plain = _ask(devices, None)
    quoted = _attest(devices, plain.name, bare_quote(tpm, plain.challenge))
    assert quoted.verdict.appraised, quoted.verdict
    assert quoted.device.name == answer.device.name


def test_keys_that_no_credential_can_be_made_for(devices) -> None:
    keys = devices_pb2.TpmKeys(ek_public=b"x", ak_public=b"y")
    request = devices_pb2.CreateChallengeRequest(parent=PARENT, request_id=fresh_id(), tpm=keys)
    found = refused(devices.CreateChallenge, request)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert "tpm.ak_public" in found.message


@pytest.fixture(scope="module")
def real_tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tpm]:
    with running_tpm(Path(tmp_path_factory.mktemp("tpm"))) as tpm:
        yield tpm


@pytest.fixture
def client(service: RunningService) -> Iterator[Client]:
    with Client(Profile.load(service.home / "clients" / "device")) as client:
        yield client


def _activated(client: Client, tpm: Tpm, kind: str, challenge: Challenge) -> Attestation:
    assert challenge.tpm_credential is not None
    parts = (
        (tpm_parts.EK_PUBLIC, tpm.public(f"{kind}.ek.pub")),
        (tpm_parts.AK_PUBLIC, tpm.public(f"{kind}.ak.pub")),
        (tpm_parts.ID_OBJECT, challenge.tpm_credential.credential_blob),
        (tpm_parts.ENCRYPTED_SECRET, challenge.tpm_credential.encrypted_secret),
        (tpm_parts.ACTIVATED_SECRET, tpm.activate(kind, challenge.tpm_credential.to_file())),
    )
    return client.devices.attest(challenge.name, Evidence(format=EvidenceFormat.TPM, parts=parts))


@needs_real_tpm
@pytest.mark.parametrize("kind", ["rsa", "ecc"])
def test_a_tpm_of_others_enrols_and_quotes(service: RunningService, client: Client, real_tpm: Tpm, kind: str) -> None:
    real_tpm.make_keys(kind)
    ek, ak = real_tpm.public(f"{kind}.ek.pub"), real_tpm.public(f"{kind}.ak.pub")
    _trust_ek(service, ek)
    challenge = client.devices.create_challenge(tpm=TpmKeys(ek_public=ek, ak_public=ak))
    answer = _activated(client, real_tpm, kind, challenge)
    assert answer.verdict.appraised, answer.verdict
    assert answer.device is not None
    assert answer.device.key_spki == parse_public(ak).spki

    plain = client.devices.create_challenge()
    real_tpm.run(
        "tpm2_quote", "-c", f"{kind}.ak.ctx", "-l", "sha256:0", "-q", plain.challenge.hex(), "-m", "quote",
        "-s", "signature",
    )  # fmt: skip
    real_tpm.run("tpm2_pcrread", "sha256:0", "-o", "register")
    real_tpm.run("tpm2_flushcontext", "-t")
    evidence = quote(
        attest=real_tpm.file("quote"), signature=real_tpm.file("signature"), ak_public=ak,
        registers={"sha256": {0: real_tpm.file("register")}},
    )  # fmt: skip
    parts = tuple((part.name, part.data) for part in evidence.parts)
    quoted = client.devices.attest(plain.name, Evidence(format=EvidenceFormat.TPM, parts=parts))
    assert quoted.verdict.appraised, quoted.verdict
    assert quoted.device is not None
    assert quoted.device.name == answer.device.name
