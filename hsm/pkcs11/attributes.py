"""Reading attributes of objects in the token."""

from typing import Any

from pkcs11 import Attribute
from pkcs11 import exceptions as driver

from hsm.errors import TokenUnavailable
from hsm.material import ED25519_PUBLIC_KEY_SIZE

from .faults import translate


def read_attribute(stored: Any, attribute: Attribute) -> bytes:
    """Raises HsmError."""
    try:
        value: bytes = stored[attribute]
    except driver.PKCS11Error as error:
        raise translate(error) from None
    return value


def unwrap_octet_string(octets: bytes) -> bytes:
    """CKA_EC_POINT is a DER OCTET STRING around the point (PKCS#11 v3.1, 2.3.3); our points are under 128 bytes.

    Some tokens give the 32 bytes of an Edwards point bare.
    """
    if len(octets) == ED25519_PUBLIC_KEY_SIZE:
        return octets
    if len(octets) < 2 or octets[0] != 0x04 or octets[1] != len(octets) - 2:
        raise TokenUnavailable("the token gives a public key in a form this version does not know")
    return octets[2:]
