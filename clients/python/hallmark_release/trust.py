"""What a verifier is given to trust, from a safe place and not from the repository: a root, two keys, a log policy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hallmark_composite import CompositeError, CompositePublicKey
from hallmark_release.errors import TrustUnusable
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import Policy, parse_policy

ROOT_FILE: Final = "root.json"
ECDSA_FILE: Final = "statement-ecdsa.pem"
COMPOSITE_FILE: Final = "statement-composite.pem"
POLICY_FILE: Final = "log.policy"

_FILE_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReleaseTrust:
    """root: a TUF root.json. ecdsa, composite: the keys that sign statements. policy: the log and its witnesses."""

    root: bytes = field(repr=False)
    ecdsa: ec.EllipticCurvePublicKey
    composite: CompositePublicKey
    policy: Policy

    @classmethod
    def load(cls, folder: Path) -> Self:
        """From the four files that `hallmark release init` writes. Raises TrustUnusable."""
        return cls(
            root=_read(folder / ROOT_FILE),
            ecdsa=parse_ecdsa_key(_read(folder / ECDSA_FILE)),
            composite=parse_composite_key(_read(folder / COMPOSITE_FILE)),
            policy=parse_log_policy(_read(folder / POLICY_FILE)),
        )


def parse_ecdsa_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """Raises TrustUnusable unless it is a P-256 key."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TrustUnusable("the ECDSA key of statements is no PEM of a public key") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise TrustUnusable("the ECDSA key of statements is not on P-256")
    return key


def parse_composite_key(pem: bytes) -> CompositePublicKey:
    """Raises TrustUnusable."""
    try:
        return CompositePublicKey.from_spki_pem(pem)
    except CompositeError as error:
        raise TrustUnusable(f"the composite key of statements can not be used: {error}") from error


def parse_log_policy(text: bytes) -> Policy:
    """C2SP tlog-policy. Raises TrustUnusable."""
    try:
        return parse_policy(text)
    except TlogError as error:
        raise TrustUnusable(f"the log policy can not be used: {error}") from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise TrustUnusable(f"{path} can not be read: {error.strerror}", advice=_WHERE) from error
    if len(data) > _FILE_BYTES_MAX:
        raise TrustUnusable(f"{path} is larger than {_FILE_BYTES_MAX} bytes")
    return data


_WHERE: Final = "`hallmark release init` writes a trust folder; take it from whoever publishes, over a safe way"
