"""What the certificates of an Android chain say about where the attestation key came from.

Shape, leaf first: attested key; [attested key of purpose ATTEST_KEY;] attestation key of the device; intermediates;
root. "Attestation certificate" below is the one of the device's attestation key, the first issued by the vendor.
"""

from dataclasses import dataclass
from typing import Final

from attestation import cbor
from attestation.claims import SecurityLevel, VendorValue
from attestation.errors import EvidenceError
from attestation.formats.android_key_description import KEY_DESCRIPTION, KeyDescription, key_description
from attestation.policy import Provisioning
from attestation.x509 import COMMON_NAME, ORGANIZATION, SERIAL_NUMBER, TITLE, Certificate

PROVISIONING_INFO: Final = "1.3.6.1.4.1.11129.2.1.30"
MIN_CERTIFICATES: Final = 3

_CERTIFIED_LEVELS: Final = {"TEE": SecurityLevel.TEE, "StrongBox": SecurityLevel.STRONGBOX}
_PROVISIONING_FIELDS: Final = {1: "certificates_issued", 3: "manufacturer"}


@dataclass(frozen=True, slots=True)
class AttestKey:
    """An on-device key of purpose ATTEST_KEY that signed the leaf, and its own description."""

    description: KeyDescription


def find_attest_key(chain: tuple[Certificate, ...], leaf: KeyDescription | None) -> AttestKey | None:
    """The attest key in cert[1], if it is a true one. None when cert[1] has no description, or when what it describes
    may be used by an app to sign whatever it likes: then the chain was extended.

    KeyMint refuses ATTEST_KEY together with any other purpose, so such a key signs nothing but descriptions that
    KeyMint wrote. The device must be in the same boot state in both.
    """
    if leaf is None or len(chain) < MIN_CERTIFICATES + 1 or chain[1].extension(KEY_DESCRIPTION) is None:
        return None
    try:
        description = key_description(chain[1])
    except EvidenceError:
        return None
    if description is None or description.hardware.purposes != ("ATTEST_KEY",):
        return None
    same_boot = description.hardware.root_of_trust == leaf.hardware.root_of_trust
    same_level = description.attestation_level is leaf.attestation_level is description.keymint_level
    if description.hardware.origin != "GENERATED" or not (same_boot and same_level):
        return None
    return AttestKey(description)


def provisioning(chain: tuple[Certificate, ...]) -> Provisioning:
    """Remote when Google's provisioning CA or its extension appears anywhere, factory when the certificate that the
    root itself issued carries the serial number that factory keys are named by; everything else is treated like remote:
    its dates count. Names lower down do not make a chain a factory one, for the holder of a leaked key could add them.
    """
    for certificate in chain[1:-1]:
        name = certificate.subject
        droid = (name.get(COMMON_NAME) or "").startswith("Droid CA") and name.get(ORGANIZATION) == "Google LLC"
        if droid or certificate.extension(PROVISIONING_INFO) is not None:
            return Provisioning.REMOTE
    if len(chain) >= MIN_CERTIFICATES and chain[-2].subject.get(SERIAL_NUMBER):
        return Provisioning.FACTORY
    return Provisioning.SOFTWARE


def certified_level(intermediates: tuple[Certificate, ...]) -> SecurityLevel | None:
    """The level the vendor certified: title in factory names, organisation in remote ones. Where several certificates
    name one, the weakest counts, so that a leaked TEE key cannot make itself a StrongBox by issuing one more CA.
    """
    named = (item.subject.get(TITLE) or item.subject.get(ORGANIZATION) for item in intermediates)
    levels = [_CERTIFIED_LEVELS[text] for text in named if text in _CERTIFIED_LEVELS]
    return min(levels, key=list(SecurityLevel).index, default=None)


def provisioning_info(chain: tuple[Certificate, ...]) -> tuple[tuple[str, VendorValue], ...]:
    """Claims from Google's ProvisioningInfo map in the first certificate that has one, named `provisioning_info.*`.
    An unreadable map is a claim of its own: nothing rests on it.
    """
    extension = next((found for item in chain[1:-1] if (found := item.extension(PROVISIONING_INFO))), None)
    if extension is None:
        return ()
    try:
        content = cbor.decode(extension.value)
    except EvidenceError as error:
        return (("provisioning_info", f"unreadable: {error.detail}"),)
    if not isinstance(content, dict):
        return (("provisioning_info", "unreadable: not a map"),)
    return tuple(
        (f"provisioning_info.{_PROVISIONING_FIELDS.get(key, str(key))}", value)
        for key, value in content.items()
        if isinstance(key, int) and isinstance(value, int | str)
    )
