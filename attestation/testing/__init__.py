"""Evidence factory: virtual devices under throw-away roots, for this project's tests and demo and for yours."""

from attestation.testing.broken import BROKEN, broken_variants, good_case
from attestation.testing.catalogue import FACTORIES, Factory
from attestation.testing.certificates import KeyKind
from attestation.testing.key_description import PhoneState
from attestation.testing.phone import DeviceKey, VirtualPhone
from attestation.testing.variant import Good, Variant
from attestation.testing.vendor import VirtualVendor, status_list

__all__ = [
    "BROKEN",
    "FACTORIES",
    "DeviceKey",
    "Factory",
    "Good",
    "KeyKind",
    "PhoneState",
    "Variant",
    "VirtualPhone",
    "VirtualVendor",
    "broken_variants",
    "good_case",
    "status_list",
]
