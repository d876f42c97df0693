"""Parameters of RSASSA-PSS signatures (RFC 4055, 3.1), in the one shape that attestation accepts.

The parameters of a signature are chosen by whoever made it, and the defaults are SHA-1. So they have to be there, and
they have to say one hash of the SHA-2 family for message and mask (MGF1), a salt as long as the hash, and trailer 1.
AMD signs with SHA-384 and a salt of 48 bytes; some of its certificates write the default trailer, some leave it out.
"""

from typing import Final

from cryptography.hazmat.primitives import hashes

from attestation.der import CONTEXT, Element
from attestation.errors import EvidenceError
from attestation.reasons import Reason

RSASSA_PSS: Final = "1.2.840.113549.1.1.10"

_MGF1: Final = "1.2.840.113549.1.1.8"
_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_HASH, _MASK, _SALT, _TRAILER = range(4)  # context tags of RSASSA-PSS-params


def pss_hash(parameters: tuple[Element, ...]) -> hashes.HashAlgorithm:
    """The hash of a PSS signature, from what follows the OID; EvidenceError for parameters of any other shape."""
    if len(parameters) != 1:
        raise _unsupported("has no parameters, so its hash is SHA-1")
    fields = _by_tag(parameters[0].sequence())
    if not {_HASH, _MASK, _SALT} <= fields.keys():
        raise _unsupported("leaves out a parameter whose default is for SHA-1")
    hash_oid = _hash_oid(fields[_HASH])
    mask = fields[_MASK].sequence()
    if len(mask) != 2 or mask[0].oid() != _MGF1 or _hash_oid(mask[1]) != hash_oid:
        raise _unsupported("has a mask generation other than MGF1 with the hash of the message")
    digest = _HASHES.get(hash_oid)
    if digest is None:
        raise _unsupported(f"has the hash {hash_oid}")
    if fields[_SALT].integer() != digest.digest_size:
        raise _unsupported("has a salt that is not as long as its hash")
    if _TRAILER in fields and fields[_TRAILER].integer() != 1:
        raise _unsupported("has an unknown trailer")
    return digest


def _by_tag(elements: tuple[Element, ...]) -> dict[int, Element]:
    """What is inside each context tag; tags ascend, so none comes twice."""
    fields: dict[int, Element] = {}
    for element in elements:
        if element.tag_class != CONTEXT or element.number > _TRAILER or any(n >= element.number for n in fields):
            raise EvidenceError("parameters of RSASSA-PSS are not well formed")
        fields[element.number] = element.explicit()
    return fields


def _hash_oid(identifier: Element) -> str:
    fields = identifier.sequence()
    if len(fields) == 2:
        fields[1].null()  # RFC 4055, 2.1: NULL or absent
    elif len(fields) != 1:
        raise EvidenceError("hash of RSASSA-PSS is not well formed")
    return fields[0].oid()


def _unsupported(what: str) -> EvidenceError:
    return EvidenceError(f"RSASSA-PSS signature {what}", reason=Reason.UNSUPPORTED_ALGORITHM)
