"""RSASSA-PSS for the evidence factory: signatures with any parameters, and identifiers that may lie about them."""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from attestation.testing import asn1

_RSASSA_PSS: Final = "1.2.840.113549.1.1.10"
_MGF1: Final = "1.2.840.113549.1.1.8"
_OIDS: Final = {"sha1": "1.3.14.3.2.26", "sha256": "2.16.840.1.101.3.4.2.1", "sha384": "2.16.840.1.101.3.4.2.2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pss:
    """Parameters as used and written (RFC 4055, 3.1). `mask_digest` None: the same digest; `trailer` None: absent."""

    digest: hashes.HashAlgorithm
    mask_digest: hashes.HashAlgorithm | None = None
    salt_bytes: int
    trailer: int | None = None

    def identifier(self) -> bytes:
        """The AlgorithmIdentifier."""
        mask = asn1.sequence(asn1.oid(_MGF1), self._hash(self.mask_digest or self.digest))
        parameters = [
            asn1.explicit(0, self._hash(self.digest)),
            asn1.explicit(1, mask),
            asn1.explicit(2, asn1.integer(self.salt_bytes)),
        ]
        if self.trailer is not None:
            parameters.append(asn1.explicit(3, asn1.integer(self.trailer)))
        return asn1.sequence(asn1.oid(_RSASSA_PSS), asn1.sequence(*parameters))

    def sign(self, key: rsa.RSAPrivateKey, message: bytes) -> bytes:
        mask = padding.MGF1(self.mask_digest or self.digest)
        return key.sign(message, padding.PSS(mask, self.salt_bytes), self.digest)

    @staticmethod
    def _hash(digest: hashes.HashAlgorithm) -> bytes:
        return asn1.sequence(asn1.oid(_OIDS[digest.name]), asn1.null())


AMD_PSS: Final = Pss(digest=hashes.SHA384(), salt_bytes=48)
