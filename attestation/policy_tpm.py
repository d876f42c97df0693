"""What a TPM must show, as a plain frozen value with strict defaults."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Makers whose endorsement certificates are known to depart from DER: ST pads them to the size of the NV index with
# 0xFF, Nuvoton does not sort the sets of its names. The names are those before the slash of anchors in anchors_tpm.
LENIENT_MAKERS: Final = frozenset({"infineon", "stmicroelectronics", "nuvoton", "intel", "nationz"})


class TpmKind(StrEnum):
    """What a piece of TPM evidence proves."""

    QUOTE = "quote"  # the TPM signed its register values and the challenge
    CERTIFY = "certify"  # the TPM signed that a key lives in it, and the challenge
    ACTIVATION = "credential-activation"  # the TPM opened a credential made for its EK and this AK
    CERTIFICATE = "certificate"  # an EK or AK certificate alone; anybody may have copied it


@dataclass(frozen=True, slots=True)
class PcrReference:
    """The values that one register may have. `bank` is hashlib's name of its hash."""

    bank: str
    index: int
    digests: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class TpmPolicy:
    """What is accepted of a TPM. Certificates alone are not, because they carry no challenge and prove no possession.

    `pcrs` are reference values: every one must be quoted and match. `allowed_db_entries` and `required_dbx_entries`
    hold SHA-256 digests: of the certificates and of the images that Secure Boot's db may accept (empty: any), and
    those that its dbx must refuse. `allow_empty_challenge` accepts evidence that was made without a challenge at all;
    it can be replayed for ever. `same_boot` refuses a TPM that was reset or resumed since the caller's record.
    """

    kinds: frozenset[TpmKind] = frozenset({TpmKind.QUOTE, TpmKind.CERTIFY, TpmKind.ACTIVATION})
    allow_sha1: bool = False
    allow_empty_challenge: bool = False
    pcrs: tuple[PcrReference, ...] = ()
    require_event_log: bool = False
    refuse_unknown_events: bool = False
    require_secure_boot: bool = False
    allowed_db_entries: frozenset[bytes] = frozenset()
    required_dbx_entries: frozenset[bytes] = frozenset()
    same_boot: bool = False
    require_crl: bool = False
    lenient_makers: frozenset[str] = LENIENT_MAKERS
