"""Android rows: a PEM chain, perhaps a status list; the challenge is a claim of the row, or of the one it came from."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final

from attestation.anchors import GOOGLE
from attestation.case import Case
from attestation.errors import CollateralError, EvidenceError
from attestation.evidence import load_chain
from attestation.formats.android_key_description import key_description
from attestation.model import Anchors, Collateral, Evidence, Expectation, Format, TrustAnchor
from attestation.policy import AndroidPolicy, Policy
from attestation.reasons import Reason
from attestation.samples.row_values import certificates_in, hex_octets, known_claims, row_time
from attestation.samples.sample import Folder, Row, Sample
from attestation.status import StatusList, parse_status_list
from attestation.x509 import parse_certificate

_POLICY: Final = Policy("strict, status list may be missing", AndroidPolicy(allow_missing_status_list=True))
_WITH_LIST: Final = Policy("strict", AndroidPolicy())
_LENIENT: Final = Policy(
    "lenient",
    AndroidPolicy(
        require_locked=False, require_verified_boot=False, allow_attest_keys=True, allow_missing_status_list=True
    ),
)
_NO_CHALLENGE: Final = b"no challenge was given"
_THROW_AWAY: Final = "synthetic"  # folder of chains under no vendor's root
# Words of rows for reasons that have a name of their own here.
PHRASES: Final = {"NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH}


def load(row: Row, folder: Folder) -> Sample:
    at = row_time(row)
    (chain,) = folder.files(row, ending=".pem")
    lists = [name for name in folder.files(row, ending=".json") if "status" in name]
    certificates = certificates_in(folder.read(chain))
    strict = Case(
        Evidence.android(certificates),
        Expectation(_challenge(row, folder, certificates[0])),
        _anchors(chain, folder),
        Collateral(_status(folder.read(lists[0]), at) if lists else None),
        _WITH_LIST if lists else _POLICY,
        at,
    )
    return Sample(strict, replace(strict, policy=_LENIENT))


def _status(data: bytes, at: datetime) -> StatusList | None:
    """A relying party that cannot read its list has none."""
    try:
        return parse_status_list(data, fetched_at=at)
    except CollateralError:
        return None


def _challenge(row: Row, folder: Folder, leaf: bytes) -> bytes:
    """What the relying party had asked for; where no row names it, what the leaf says: other steps have to refuse."""
    claims = known_claims(row, folder)
    if "challenge_hex" in claims:
        return hex_octets(claims["challenge_hex"]) or _NO_CHALLENGE
    if "challenge_text" in claims:
        return str(claims["challenge_text"]).encode() or _NO_CHALLENGE
    try:
        description = key_description(parse_certificate(leaf))
    except EvidenceError:
        description = None
    return (description and description.challenge) or _NO_CHALLENGE


def _anchors(chain: str, folder: Folder) -> Anchors:
    """Google's keys; for evidence made with throw-away keys, the root beside it, or the one that most of it has."""
    beside = PurePosixPath(chain).parent / "test-root.pem"
    if (folder.path / beside).exists():
        spki = parse_certificate(load_chain(folder.read(str(beside)))[0]).spki
    elif PurePosixPath(chain).parent.name == _THROW_AWAY and (common := _commonest_root(folder)):
        spki = common
    else:
        return GOOGLE
    return Anchors((TrustAnchor("test-root", frozenset({Format.ANDROID_KEY}), spki, str(beside)),))


def _commonest_root(folder: Folder) -> bytes | None:
    """The key in which most chains that were made with throw-away keys end: the root of whoever made them."""
    roots: Counter[bytes] = Counter()
    for path in sorted((folder.path / _THROW_AWAY).glob("*.pem")):
        try:
            last = parse_certificate(certificates_in(path.read_bytes())[-1])
        except EvidenceError:
            continue
        if last.self_issued:
            roots[last.spki] += 1
    return next((spki for spki, _ in roots.most_common(1)), None)
