"""Whether bytes are DER to the letter (X.690, 10 and 11), for certificates of makers not known to depart from it.

Everything else in this package reads bytes mildly, because signatures cover them as they stand; a departure matters
only as a sign of something made by hand.
"""

from itertools import pairwise

from attestation import der
from attestation.der import Element, Type
from attestation.errors import EvidenceError


def trim_padding(data: bytes) -> bytes:
    """The first structure, where nothing but 0xFF or nothing but 0x00 follows: how TPMs fill a larger NV index.

    Raises EvidenceError (MALFORMED) when anything else follows.
    """
    end = der.first_element_end(data, 0)
    rest = data[end:]
    if rest.strip(b"\xff") and rest.strip(b"\x00"):
        raise EvidenceError(f"{len(rest)} bytes that are no padding follow the certificate")
    return data[:end]


def why_not_der(data: bytes) -> str | None:
    """The first departure from DER, or None."""
    try:
        return _departure(der.parse(data))
    except EvidenceError as error:
        return error.detail


def _departure(element: Element) -> str | None:
    if element.is_a(Type.INTEGER):
        element.integer()
    if element.is_a(Type.BOOLEAN):
        element.boolean()
    if not element.constructed:
        return None
    children = element.children()
    if element.is_a(Type.SET) and any(a.raw > b.raw for a, b in pairwise(children)):
        return "a SET is not in order"
    return next((found for child in children if (found := _departure(child))), None)
