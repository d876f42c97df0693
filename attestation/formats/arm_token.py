"""A token of an Arm device: one COSE_Sign1 message, whose key is found by the instance id it names."""

from typing import Final

from attestation.arm_collateral import ArmDevice, ArmEndorsements
from attestation.claims import Claims, DeviceIdentity, Freshness, Measurement, SecurityLevel, VendorValue
from attestation.cose_sign1 import CoseAlgorithm, CoseSign1, parse_cose_sign1
from attestation.errors import EvidenceError
from attestation.formats.arm_claims import DeviceClaims, instance_id_of
from attestation.model import Finding
from attestation.policy_arm import Lifecycle
from attestation.reasons import Reason

ALGORITHMS: Final = frozenset(CoseAlgorithm)
MAC0_TAG: Final = b"\xd1"  # CBOR tag 17
KEY_ID: Final = 4  # the header that may stand outside the signature (RFC 9052, 3.1); it is not used to find the key

_DEBUG: Final = frozenset({Lifecycle.NON_ROT_DEBUG, Lifecycle.RECOVERABLE_ROT_DEBUG})
_DEBUGGABLE: Final = dict.fromkeys(_DEBUG, True) | {Lifecycle.SECURED: False}


def open_token(data: bytes) -> CoseSign1:
    """Read the message. COSE_Mac0 (UNSUPPORTED_ALGORITHM) would need the secret of the device itself: whoever verifies
    such a token could also have made it.
    """
    if data.startswith(MAC0_TAG):
        raise EvidenceError("token is a COSE_Mac0, whose key is secret", reason=Reason.UNSUPPORTED_ALGORITHM)
    message = parse_cose_sign1(data)
    if not message.unprotected.keys() <= {KEY_ID}:
        raise EvidenceError("COSE headers outside the signature hold something else than a key id")
    return message


def check_device(message: CoseSign1, endorsements: ArmEndorsements | None) -> list[Finding]:
    """The signature, by a key that was endorsed for the instance that the token names."""
    instance_id = instance_id_of(message.payload)
    if endorsements is None:
        return [Finding(Reason.COLLATERAL_MISSING, "no trust anchor store of device keys was given")]
    device = endorsements.find(instance_id)
    if device is None:
        return [Finding(Reason.UNKNOWN_INSTANCE, "no key is endorsed for the instance that the token names")]
    return _check_signature(message, device)


def _check_signature(message: CoseSign1, device: ArmDevice) -> list[Finding]:
    problem = EvidenceError("the instance has no key", reason=Reason.UNKNOWN_INSTANCE)
    for key in device.keys:
        try:
            message.verify(key, algorithms=ALGORITHMS)
        except EvidenceError as error:
            if problem.reason is not Reason.BAD_SIGNATURE:  # that a key of another kind does not fit says less
                problem = error
        else:
            return []
    return [Finding(problem.reason, problem.detail)]


def check_implementation(claims: DeviceClaims, endorsements: ArmEndorsements | None) -> list[Finding]:
    """The device is of the implementation that its key was endorsed with."""
    device = endorsements.find(claims.instance_id) if endorsements else None
    if device is None or device.implementation_id in (None, claims.implementation_id):
        return []
    return [Finding(Reason.BINDING_MISMATCH, "the key was endorsed for another implementation")]


def device_claims(claims: DeviceClaims, level: SecurityLevel, *, nonce: bytes) -> Claims:
    """In the common schema. The instance id names one device, so it stands as its serial."""
    vendor: dict[str, VendorValue] = {
        "profile": claims.profile,
        "implementation_id": claims.implementation_id.hex(),
        "lifecycle": f"{claims.lifecycle:#06x}",
        "lifecycle_state": str(claims.lifecycle_state),
        "client_id": claims.client_id,
        "boot_seed": claims.boot_seed.hex() if claims.boot_seed else None,
        "certification": claims.certification,
        "verification_service": claims.verification_service,
        "platform_config": claims.platform_config.hex() if claims.platform_config else None,
    }
    return Claims(
        device=DeviceIdentity(serial=claims.instance_id.hex()),
        security_level=level,
        measurements=tuple(
            Measurement(component.kind or f"component {index}", component.digest)
            for index, component in enumerate(claims.components)
        ),
        debug=_DEBUGGABLE.get(claims.lifecycle_state),
        freshness=Freshness(nonce),
        vendor=tuple(sorted((name, value) for name, value in vendor.items() if value is not None)),
    )
