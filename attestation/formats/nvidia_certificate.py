"""What the certificate of a GPU's firmware says: the hash of that firmware, and which chip it runs on.

The extension is that of TCG DICE (2.23.133.5.4.1), either in the older form of a composite device id (version, key of
the device, FWID) or as DiceTcbInfo, whose element [6] is a list of FWIDs. A FWID is a hash algorithm and a digest.
"""

from typing import Final

from attestation import der
from attestation.der import CONTEXT, Element, Type
from attestation.errors import EvidenceError
from attestation.x509 import Certificate

FIRMWARE_ID: Final = "2.23.133.5.4.1"
SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"

_DEVICE_NAME: Final = "1.3.6.1.4.1.412.274.1"  # DMTF: manufacturer:product:serial (DSP0274, table 39)
_PARTS: Final = 3
_PAIR: Final = 2
_FWIDS: Final = 6


def firmware_ids(certificate: Certificate) -> tuple[bytes, ...]:
    """Digests of the firmware; none where the certificate has no such extension or one of another form."""
    extension = certificate.extension(FIRMWARE_ID)
    if extension is None:
        return ()
    try:
        fields = der.parse(extension.value, relaxed=True).sequence()
        listed = [field for field in fields if field.tag_class == CONTEXT and field.number == _FWIDS]
        return tuple(_digest(item) for item in (listed[0].children() if listed else fields[-1:]))
    except EvidenceError:
        return ()


def _digest(fwid: Element) -> bytes:
    pair = fwid.sequence()
    if len(pair) != _PAIR:
        raise EvidenceError("firmware id is not an algorithm and a digest")
    return pair[1].octets()


def device_name(certificate: Certificate) -> tuple[str, str, str] | None:
    """Manufacturer, product and serial from the alternative name, or None where there is none."""
    extension = certificate.extension(SUBJECT_ALTERNATIVE_NAME)
    try:
        return None if extension is None else _find_name(der.parse(extension.value, relaxed=True))
    except EvidenceError:
        return None


def _find_name(names: Element) -> tuple[str, str, str] | None:
    for name in names.sequence():
        if name.number != 0 or not name.constructed:
            continue
        fields = name.children()
        if len(fields) == 2 and fields[0].is_a(Type.OBJECT_IDENTIFIER) and fields[0].oid() == _DEVICE_NAME:
            parts = fields[1].explicit().content.decode("utf-8", "replace").split(":")
            if len(parts) == _PARTS:
                return parts[0], parts[1], parts[2]
    return None
