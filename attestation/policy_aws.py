"""What an AWS Nitro enclave must look like."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class ExpectedPcr:
    """A register (0 to 31) that must be there and hold one of these digests (48 bytes, SHA-384)."""

    index: int
    digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class AwsNitroPolicy:
    """The defaults refuse debug enclaves, documents without a nonce, and those older than five minutes.

    `pcrs` name the reference values: 0 the image, 1 kernel and boot, 2 the application, 3 the IAM role of the parent
    instance, 4 its identifier, 8 the certificate that signed the image. Empty: not checked. `max_age` also bounds how
    far the enclave's clock may be ahead. Without a nonce only the timestamp shows that a document is new.
    """

    pcrs: tuple[ExpectedPcr, ...] = ()
    allow_debug: bool = False
    allow_missing_nonce: bool = False
    max_age: timedelta = timedelta(minutes=5)
