"""The content key of a release, asked for by a device and opened with its own key."""

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.releases import ArtifactKey
from hallmark_envelope import EnvelopePrivateKey
from hallmark_events.canonical import parse_canonical

NONCE_BYTES = 32
_INFO_BYTES_MAX = 4096


def opened(
    answer: ArtifactKey, key: EnvelopePrivateKey, *, device: str, artifact: str, nonce: bytes, epoch: int | None
) -> bytearray:
    """32 bytes, the caller's to wipe. epoch: that it must be of; None: the one that it is sealed under.

    Raises VerificationFailed (ARTIFACT_KEY_MISMATCH) for the answer to another question, EnvelopeInvalid.
    """
    expected = _told_epoch(answer.info) if epoch is None else epoch
    return answer.open(key, artifact=artifact, device=device, epoch=expected, nonce=nonce)


def _told_epoch(info: bytes) -> int:
    """Not believed by itself: the envelope opens under these very bytes alone."""
    found = parse_canonical(info, what="the info of an artifact key", max_bytes=_INFO_BYTES_MAX, refuse=_mismatch)
    epoch = found.get("epoch")
    if type(epoch) is not int:
        raise _mismatch("it names no epoch")
    return epoch


def _mismatch(why: str) -> VerificationFailed:
    return VerificationFailed("ARTIFACT_KEY_MISMATCH", f"this key can not be taken: {why}")
