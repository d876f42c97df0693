"""Errors of hallmark_envelope. Every function here raises only these, whatever the bytes it is given.

EnvelopeError
    MalformedKey      not a public key (or seed) of the KEM
    MalformedInput    info or plaintext over the limit
    EnvelopeInvalid   the envelope does not open; why is never said
"""


class EnvelopeError(Exception):
    """Any refusal of this package."""


class MalformedKey(EnvelopeError):
    """The bytes are not a key of the KEM they are used with."""


class MalformedInput(EnvelopeError):
    """The info or the plaintext is longer than an envelope takes."""


class EnvelopeInvalid(EnvelopeError):
    """Another key, other info, or changed bytes. One error with one text: telling them apart would help an attacker."""

    def __init__(self) -> None:
        super().__init__("the envelope does not open with this key and this info")
