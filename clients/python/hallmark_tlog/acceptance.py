"""What makes a signed checkpoint good enough, as one function: given keys, or a policy with a quorum of witnesses."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from hallmark_tlog.by_policy import open_checkpoint_by_policy
from hallmark_tlog.policy import Policy
from hallmark_tlog.verify import Require, VerifiedCheckpoint, open_checkpoint
from hallmark_tlog.vkey import VerifierKey

Accept = Callable[[bytes], VerifiedCheckpoint]
"""`accept(note)` opens a signed checkpoint. Raises FormatError, SignatureError, OriginMismatch."""


def accept_signed_by(vkeys: Sequence[VerifierKey], *, origin: str, require: Require = Require.LOG) -> Accept:
    """Checkpoints of the log `origin` that as many of these keys signed as `require` says."""

    def accept(note: bytes) -> VerifiedCheckpoint:
        return open_checkpoint(note, vkeys, origin=origin, require=require)

    return accept


def accept_by_policy(policy: Policy, *, origin: str | None = None) -> Accept:
    """Checkpoints that a log of the policy signed and the quorum of its witnesses cosigned; QuorumNotReached else."""

    def accept(note: bytes) -> VerifiedCheckpoint:
        return open_checkpoint_by_policy(note, policy, origin=origin)

    return accept


def accept_all_of(accepts: Sequence[Accept]) -> Accept:
    """Checkpoints that each of these accepts. The signers are those that any of them names, each once."""

    def accept(note: bytes) -> VerifiedCheckpoint:
        opened = [one(note) for one in accepts]
        signers = dict.fromkeys(signer for found in opened for signer in found.signers)
        return replace(opened[0], signers=tuple(signers))

    return accept
