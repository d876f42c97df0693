"""NVIDIA rows: a report (request and response) and the GPU's chain in PEM. The nonce is a claim of the row; no
reference measurements and no CRL come with it.
"""

from datetime import datetime
from typing import Final

from attestation.anchors_nvidia import NVIDIA
from attestation.case import Case
from attestation.evidence import load_chain
from attestation.formats.nvidia_gpu import evidence
from attestation.model import Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_nvidia import NvidiaPolicy
from attestation.reasons import Reason
from attestation.samples.sample import Folder, Row, Sample

PHRASES: Final = {"NONCE_MISMATCH": Reason.CHALLENGE_MISMATCH, "BAD_BINDING": Reason.BINDING_MISMATCH}
_POLICY: Final = Policy("strict, CRL may be missing", nvidia=NvidiaPolicy(allow_missing_crl=True))
_NONCE: Final = slice(4, 36)  # of the request: where a row names none, the relying party asked for this
_NO_CHALLENGE: Final = b"no challenge was given"


def load(row: Row, folder: Folder) -> Sample:
    report = folder.read(folder.files(row, ending=".bin")[0])
    chain = next(name for name in folder.files(row, ending=".pem") if not name.startswith("roots/"))
    nonce = row["claims"].get("expected_nonce") or row["claims"].get("nonce") or report[_NONCE].hex()
    return Sample(
        Case(
            evidence(report, load_chain(folder.read(chain))),
            Expectation(bytes.fromhex(nonce) if nonce else _NO_CHALLENGE),
            NVIDIA,
            Collateral(),
            _POLICY,
            datetime.fromisoformat(row["verify_at"]),
        )
    )
