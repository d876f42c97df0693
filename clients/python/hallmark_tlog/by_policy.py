"""Checkpoints and proofs judged by a policy: a log it accepts has signed, the quorum of its witnesses has cosigned."""

from hallmark_tlog.errors import NotSigned
from hallmark_tlog.policy import Policy
from hallmark_tlog.proof import TlogProof, VerifiedEntry, parse_proof, verify_entry
from hallmark_tlog.verify import Require, VerifiedCheckpoint, open_checkpoint


def open_checkpoint_by_policy(
    data: bytes, policy: Policy, *, origin: str | None = None, require: Require = Require.LOG
) -> VerifiedCheckpoint:
    """Parse a signed checkpoint; verify that a log of the policy signed it and that its quorum of witnesses did.

    `require` is about the keys of that log, which may have one of each type: LOG is satisfied by one of them, ALL
    needs every key the policy lists under the checkpoint's origin (to insist on the post-quantum one), ANY leaves it
    to the witnesses. Raises FormatError, BadSignature, NotSigned, OriginMismatch or QuorumNotReached.
    """
    opened = open_checkpoint(data, policy.vkeys, origin=origin, require=Require.ANY)
    if require is not Require.ANY:
        # Only a key on a `log` line speaks for the log, whatever the names of the witnesses' keys are.
        keys = [log.vkey for log in policy.logs if log.vkey.name == opened.checkpoint.origin]
        signed = {(signer.name, signer.key_id) for signer in opened.signers}
        unsigned = [key for key in keys if (key.name, key.key_id) not in signed]
        if len(unsigned) == len(keys):
            raise NotSigned(f"no log of the policy signed this checkpoint of {opened.checkpoint.origin!r}")
        if require is Require.ALL and unsigned:
            types = ", ".join(f"{key.type:#04x}" for key in unsigned)
            raise NotSigned(f"the signature of {opened.checkpoint.origin!r} is missing for keys of type {types}")
    policy.check(opened.signers)
    return opened


def verify_proof_by_policy(
    proof: TlogProof | bytes,
    entry: bytes,
    policy: Policy,
    *,
    origin: str | None = None,
    require: Require = Require.LOG,
) -> VerifiedEntry:
    """Verify that `entry` is in a log of the policy, at a checkpoint that its quorum of witnesses cosigned.

    `origin` and `require` are those of `open_checkpoint_by_policy`. Raises what that raises, or InclusionError.
    """
    if isinstance(proof, bytes):
        proof = parse_proof(proof)
    opened = open_checkpoint_by_policy(proof.checkpoint, policy, origin=origin, require=require)
    return verify_entry(proof, entry, opened)
