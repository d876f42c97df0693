"""Proposals: what is to be done, and who has agreed to it."""

import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.enums import ProposalState, ProposedAct
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result

SIGNING_PREFIX: Final = b"hallmark/approval/v1\n"
"""An approval is a signature over this and the payload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval(Result):
    """One person's signature. approver: SPIFFE id. signature: ECDSA P-256 with SHA-256, DER."""

    approver: str
    approve_time: datetime
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(Result):
    """An act that somebody proposes.

    subject: resource it is about. parameters_sha256: of what exactly, for acts that have parameters; may be empty.
    payload: canonical JSON of all of this, what approvers sign. log: newest entry about it.
    """

    name: str
    act: ProposedAct
    subject: str
    parameters_sha256: bytes
    reason: str
    proposer: str
    state: ProposalState
    create_time: datetime
    expire_time: datetime
    approvals_needed: int
    approvals: tuple[Approval, ...]
    payload: bytes
    log: LogPromise

    def message_to_sign(self) -> bytes:
        """What an approver signs, once it says just what the fields say: nobody signs what they were not shown.

        Raises VerificationFailed (PROPOSAL_INVALID).
        """
        shown = {
            "v": 1,
            "name": self.name,
            "act": self.act.value.lower(),
            "subject": self.subject,
            "parameters_sha256": self.parameters_sha256.hex(),
            "reason": self.reason,
            "proposer": self.proposer,
            "create_time": _text(self.create_time),
            "expire_time": _text(self.expire_time),
            "approvals_needed": self.approvals_needed,
        }
        if not hmac.compare_digest(_canonical(shown), self.payload):
            raise VerificationFailed("PROPOSAL_INVALID", f"the payload of {self.name} is not what its fields say")
        return SIGNING_PREFIX + self.payload


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _text(moment: datetime) -> str:
    """RFC 3339 in UTC with six decimals."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
