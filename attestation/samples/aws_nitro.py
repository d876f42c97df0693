"""AWS Nitro rows: one document. The nonce is a claim of the row; where nobody gave one, only the timestamp is fresh.

A row's file may be cut from the container of dstack, whose fields (SCALE) stand behind the document: a list of events,
64 bytes of report data, a text of configuration. Those are not evidence and are taken off here where they are whole;
anything else behind a document stays, and is refused by the format.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from attestation.anchors_aws import AWS_NITRO
from attestation.case import Case
from attestation.cbor import decode_first
from attestation.cose_sign1 import parse_cose_sign1
from attestation.errors import EvidenceError
from attestation.formats.nitro import evidence
from attestation.formats.nitro_document import parse_document
from attestation.model import Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_aws import AwsNitroPolicy
from attestation.reasons import Reason
from attestation.samples.row_values import hex_octets, known_claims, row_time
from attestation.samples.sample import Folder, Row, Sample

_NO_NONCE: Final = b"no nonce was given"
_LENIENT: Final = Policy(
    "lenient", aws_nitro=AwsNitroPolicy(allow_debug=True, allow_missing_nonce=True, max_age=timedelta(hours=3))
)
_NO_EVENTS: Final = b"\x00"  # a list of none
_REPORT_DATA_BYTES: Final = 64


# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {"NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH, "BAD_BINDING": Reason.KEY_MISMATCH}


def load(row: Row, folder: Folder) -> Sample:
    document = _document(folder.read(row["files"][0]))
    nonce = _nonce(row, folder, document)
    policy = Policy("strict, nonce as in the row", aws_nitro=AwsNitroPolicy(allow_missing_nonce=not nonce))
    strict = Case(evidence(document), Expectation(nonce or _NO_NONCE), AWS_NITRO, Collateral(), policy, row_time(row))
    return Sample(strict, replace(strict, policy=_LENIENT))


def _nonce(row: Row, folder: Folder, document: bytes) -> bytes | None:
    """What the relying party had asked for; where no row says anything of it, what the document says."""
    claims = known_claims(row, folder)
    if "nonce" in claims:
        return hex_octets(claims["nonce"]) if claims["nonce"] else None
    try:
        return parse_document(parse_cose_sign1(document).payload).nonce
    except EvidenceError:
        return None


def _document(data: bytes) -> bytes:
    try:
        _, end = decode_first(data)
    except EvidenceError:
        return data
    return data[:end] if _is_dstack_tail(data[end:]) else data


def _is_dstack_tail(tail: bytes) -> bool:
    """No events, report data, and a text of 64 to 16383 bytes, whose length SCALE writes in two bytes of mode 1."""
    start = len(_NO_EVENTS) + _REPORT_DATA_BYTES
    length = int.from_bytes(tail[start : start + 2], "little")
    return tail.startswith(_NO_EVENTS) and length & 3 == 1 and len(tail) == start + 2 + (length >> 2)
