"""Which witnesses a log asks, and whether it goes on without them (C2SP tlog-policy)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from hallmark_tlog.errors import FormatError
from hallmark_tlog.policy import Policy, PolicyLog, Witness, parse_policy
from hallmark_tlog.verify import Signer
from hallmark_tlog.vkey import VerifierKey
from kms.log.witnesses.http import check_witness_url

NO_WITNESSES: Final = Policy(logs=(), witnesses=(), groups=(), quorum="none")


class WitnessMode(StrEnum):
    OPEN = "open"
    """A checkpoint waits for the quorum no longer than the timeout, and is published again with what comes later."""
    CLOSED = "closed"
    """A checkpoint is published, and proofs are given, only with the cosignatures that the policy's quorum asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessSettings:
    """`policy` names witnesses with their URLs (submission prefixes of C2SP tlog-witness) and the quorum."""

    policy: Policy = NO_WITNESSES
    mode: WitnessMode = WitnessMode.OPEN
    timeout_seconds: float = 1.0
    """For an answer of a witness, and how long a checkpoint waits for the quorum."""
    interval_seconds: float = 1.0
    """Least time between two submissions to one witness."""

    def __post_init__(self) -> None:
        """Raises ValueError for a URL that is not safe, and in closed mode for a quorum that can never be reached."""
        if self.timeout_seconds <= 0 or self.interval_seconds < 0:
            raise ValueError("the witnesses' timeout is positive, their interval not negative")
        for url in self.by_url():
            check_witness_url(url)
        asked = [witness.cosigner for group in self.by_url().values() for witness in group]
        signers = [Signer(key.name, key.key_id, key.type, timestamp=1) for key in asked]
        if self.mode is WitnessMode.CLOSED and self.policy.quorum == NO_WITNESSES.quorum:
            raise ValueError("in closed mode the policy asks for witnesses: it has a quorum other than none")
        if self.mode is WitnessMode.CLOSED and (missing := self.policy.missing(signers)):
            raise ValueError(f"the quorum can not be reached: no URL is given for {', '.join(missing)}")

    def by_url(self) -> Mapping[str, Sequence[Witness]]:
        """One service may have several keys, of one type each: it is asked once for all of them."""
        found: dict[str, list[Witness]] = {}
        for witness in self.policy.witnesses:
            if witness.url is not None:
                found.setdefault(witness.url.rstrip("/"), []).append(witness)
        return found

    @property
    def pace_seconds(self) -> float:
        """Between two checkpoints: one that no witness may be asked about yet would hide the one they cosign."""
        return self.interval_seconds if self.by_url() else 0.0


def read_witness_policy(path: Path) -> Policy:
    """Raises ValueError that names the file."""
    try:
        return parse_policy(path.read_bytes())
    except OSError as error:
        raise ValueError(f"the witness policy {path} can not be read: {error.strerror}") from error
    except FormatError as error:
        raise ValueError(f"the witness policy {path}: {error}") from error


def policy_of_log(policy: Policy, vkeys: Sequence[VerifierKey]) -> Policy:
    """What auditors of this log need: its keys, and the witnesses and the quorum that were configured.

    Log lines of the configured policy are left out: an operator may use one file for many logs.
    """
    return Policy(tuple(map(PolicyLog, vkeys)), policy.witnesses, policy.groups, policy.quorum)
