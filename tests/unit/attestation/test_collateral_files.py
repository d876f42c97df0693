"""Files of collateral, each known by its content."""

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from attestation import CollateralError, Evidence, Format
from attestation.collateral_files import CollateralFile, read_collateral_files
from attestation.testing.arm_device import CcaPlatform, PsaDevice
from attestation.testing.certificates import KeyKind, new_key
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.testing.gpu import ca_name

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PSA = PsaDevice.create()
NOTHING = Evidence(Format.ANDROID_KEY, ())


def read(*data: bytes, evidence: Evidence = NOTHING):
    return read_collateral_files([CollateralFile(item, "file", NOW) for item in data], evidence)


def public_pem(spki: bytes) -> bytes:
    return load_der_public_key(spki).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_status_list():
    found = read(b' {"entries": {}}').collateral
    assert found.android_status.fetched_at == NOW


def test_crls_in_der_and_pem_are_there_for_every_format_that_has_some():
    request = CrlRequest(issuer=ca_name(0), this_update=NOW, next_update=None)
    crl = issue_crl(request, signer=new_key(KeyKind.EC_P256))
    pem = b"-----BEGIN X509 CRL-----\n" + b64encode(crl) + b"\n-----END X509 CRL-----\n"
    found = read(crl, pem).collateral
    assert len(found.amd.crls) == len(found.nvidia.crls) == len(found.tpm.crls) == 2
    assert found.amd.crls[0] == found.amd.crls[1]


def test_a_key_is_enrolled_for_the_device_that_the_evidence_is_from():
    (device,) = PSA.endorsements.devices
    pem = public_pem(device.keys[0])
    found = read(pem, evidence=PSA.attest()).collateral
    assert found.arm.find(PSA.instance_id).keys == device.keys
    assert found.tpm.enrolled_keys == frozenset(device.keys)
    platform = CcaPlatform.create()
    assert read(pem, evidence=platform.attest()).collateral.arm.find(platform.instance_id).keys == device.keys
    assert read(pem).collateral.arm is None
    assert read(pem, evidence=Evidence(Format.ARM_PSA, ())).collateral.arm is None


def test_device_lists_and_several_files():
    (device,) = PSA.endorsements.devices
    listed = {"instance_id": PSA.instance_id.hex(), "keys": [b64encode(device.keys[0]).decode()]}
    found = read(json.dumps({"arm_devices": [listed]}).encode(), b'{"entries": {}}').collateral
    assert found.arm.find(PSA.instance_id).keys == device.keys
    assert found.android_status is not None


@pytest.mark.parametrize(
    "data",
    [b"", b"bad", b"{", b"{}", b'{"tcb_info": 1}', b"ey.b.c", b"\x30\x00", b"\xd9\x01\xf5\x00",
     b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"],
)  # fmt: skip
def test_what_is_none_is_named(data: bytes):
    with pytest.raises(CollateralError, match="file: "):
        read(data)
