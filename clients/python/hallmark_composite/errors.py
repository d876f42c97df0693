"""Errors of hallmark_composite. Every function here raises only these, whatever the bytes it is given.

CompositeError
    UnknownAlgorithm     no composite algorithm of that name or OID in our table
    MalformedPublicKey   wrong length, wrong encoding, or a point that is not on the curve
    MalformedCertificate not a DER certificate signed with a composite algorithm
    MalformedInput       digest of the wrong size, context over 255 bytes, both or neither of message and digest
    InvalidSignature     wrong length, wrong encoding, or one of the two halves does not verify
"""


class CompositeError(Exception):
    """Any refusal of this package."""


class UnknownAlgorithm(CompositeError):
    """The name or OID is not one of the composite algorithms in `algorithms.ALGORITHMS`."""


class MalformedPublicKey(CompositeError):
    """The bytes are not a public key of the algorithm they claim."""


class MalformedInput(CompositeError):
    """The message, digest or context cannot be what it says (draft-ietf-lamps-pq-composite-sigs-19, section 3.2)."""


class InvalidSignature(CompositeError):
    """The signature is not valid for this key, message and context."""


class MalformedCertificate(CompositeError):
    """Not one DER certificate that is signed with a composite algorithm known here."""
