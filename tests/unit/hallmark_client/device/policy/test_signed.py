from dataclasses import replace

import pytest

from composite_keys import SoftwareCompositeKey
from hallmark_client.device.policy import PolicyInvalid, PolicyRolledBack, SignedPolicy, VaultPolicy
from hallmark_client.device.policy.signed import CONTEXT, SIGNED_BYTES_MAX
from hallmark_client.errors import VerificationFailed
from hallmark_composite import MLDSA44_ECDSA_P256_SHA256

VERSION = "tenants/system/keys/vault-policy/versions/1"
KEY = SoftwareCompositeKey(MLDSA44_ECDSA_P256_SHA256)
OTHER = SoftwareCompositeKey(MLDSA44_ECDSA_P256_SHA256)
KEYS = {VERSION: KEY.public_key}
POLICY = VaultPolicy(version=5, tenant="acme")


def signed(policy: VaultPolicy = POLICY, *, key: SoftwareCompositeKey = KEY, context: bytes = CONTEXT) -> SignedPolicy:
    return SignedPolicy(policy=policy, key_version=VERSION, signature=key.sign(policy.to_bytes(), context))


def test_written_read_and_verified() -> None:
    data = signed().to_bytes()
    found = SignedPolicy.parse(data)
    assert found.to_bytes() == data
    verified = found.verify(KEYS, tenant="acme")
    assert (verified.policy, verified.key_version) == (POLICY, VERSION)


def test_the_context_is_its_own() -> None:
    assert CONTEXT == b"hallmark/vault-policy/v1"
    with pytest.raises(VerificationFailed):
        signed(context=b"hallmark/event/v1").verify(KEYS, tenant="acme")


@pytest.mark.parametrize(
    "wrong",
    [
        signed(key=OTHER),
        replace(signed(), key_version="tenants/system/keys/other/versions/1"),
        replace(signed(), policy=VaultPolicy(version=6, tenant="acme")),
        replace(signed(), signature=signed().signature[:-1]),
        replace(signed(), signature=b""),
    ],
    ids=["another key", "a key that is not pinned", "another policy", "a cut signature", "no signature"],
)
def test_what_the_service_did_not_sign(wrong: SignedPolicy) -> None:
    with pytest.raises(VerificationFailed) as caught:
        wrong.verify(KEYS, tenant="acme")
    assert caught.value.reason == "POLICY_SIGNATURE"


def test_for_another_tenant() -> None:
    with pytest.raises(PolicyInvalid, match="for tenant 'acme'"):
        signed().verify(KEYS, tenant="other")
    with pytest.raises(PolicyInvalid):
        signed(VaultPolicy(version=5)).verify(KEYS, tenant="")


def test_the_version_never_falls() -> None:
    assert signed().verify(KEYS, tenant="acme", in_force=VaultPolicy(version=4)).policy == POLICY
    assert signed().verify(KEYS, tenant="acme", in_force=POLICY).policy == POLICY
    for version, tenant in ((6, "acme"), (5, "")):
        with pytest.raises(PolicyRolledBack, match="version 5 does not come after"):
            signed().verify(KEYS, tenant="acme", in_force=VaultPolicy(version=version, tenant=tenant))


DATA = signed().to_bytes()
OTHER_BYTES = {
    "nothing": b"",
    "an array": b"[]",
    "no member": b"{}",
    "white space": DATA + b"\n",
    "another format": DATA.replace(b"policy/v1", b"policy/v2", 1),
    "another member": DATA.replace(b'"format"', b'"extra":1,"format"', 1),
    "a key version that is no text": DATA.replace(b'"' + VERSION.encode() + b'"', b"1"),
    "a policy that is no base64": DATA.replace(b'"policy":"', b'"policy":"!', 1),
    "a policy that is none": b'{"format":"hallmark-signed-vault-policy/v1","key_version":"","policy":"","signature":""}',
    "too long": b" " * (SIGNED_BYTES_MAX + 1),
}


@pytest.mark.parametrize("name", OTHER_BYTES)
def test_other_bytes_are_no_signed_policy(name: str) -> None:
    with pytest.raises(PolicyInvalid):
        SignedPolicy.parse(OTHER_BYTES[name])
