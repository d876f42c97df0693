"""The witness's side of C2SP tlog-witness `add-checkpoint`, as a function: what was cosigned last, request -> reply.

The caller owns the memory: `record` of a reply must be durable before the reply is sent, and nothing may come between
reading `latest` and recording (tlog-witness: otherwise a witness can be led back to an earlier size).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.errors import ConsistencyError, FormatError, TlogError
from hallmark_tlog.merkle import EMPTY_ROOT, verify_consistency
from hallmark_tlog.verify import open_checkpoint
from hallmark_tlog.vkey import KeyType, VerifierKey
from hallmark_tlog.witness import SIZE_TYPE, AddCheckpointRequest, parse_add_checkpoint

_TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class CosigningKey:
    """`sign` makes the raw signature: pure Ed25519 for type 0x04, pure ML-DSA-44 with an empty context for 0x06."""

    vkey: VerifierKey
    sign: Callable[[bytes], bytes]

    def __post_init__(self) -> None:
        if self.vkey.type not in (KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44):
            raise FormatError(f"a key of type {self.vkey.type:#04x} does not cosign")


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP answer. `record` is the checkpoint that is now the latest cosigned one, None unless status is 200."""

    status: HTTPStatus
    content_type: str
    body: bytes
    record: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class WitnessServer:
    """A witness: its keys, and the keys it trusts for each origin."""

    keys: tuple[CosigningKey, ...]
    logs: Mapping[str, Sequence[VerifierKey]]

    def answer(self, body: bytes, latest: Callable[[str], Checkpoint | None], *, now: int) -> Reply:
        """Judge one request. `latest` gives what was last cosigned for an origin; `now` is POSIX seconds, not 0."""
        try:
            request = parse_add_checkpoint(body)
            # Whose checkpoint it claims to be, to know the keys; nothing else of it is believed yet.
            claimed = parse_checkpoint(request.checkpoint.rpartition(b"\n\n")[0].decode() + "\n")
        except (FormatError, UnicodeDecodeError):
            return _refuse(HTTPStatus.BAD_REQUEST, "malformed request")
        vkeys = self.logs.get(claimed.origin)
        if vkeys is None:
            return _refuse(HTTPStatus.NOT_FOUND, "unknown log")
        try:
            open_checkpoint(request.checkpoint, vkeys, origin=claimed.origin)
        except TlogError:
            return _refuse(HTTPStatus.FORBIDDEN, "no signature of the log verifies")
        return self._judge(request, claimed, latest(claimed.origin), now)

    def _judge(self, request: AddCheckpointRequest, new: Checkpoint, last: Checkpoint | None, now: int) -> Reply:
        if request.old_size > new.size:
            return _refuse(HTTPStatus.BAD_REQUEST, "the old size is above the checkpoint's")
        known = last or Checkpoint(new.origin, 0, EMPTY_ROOT)
        if request.old_size != known.size:
            return Reply(HTTPStatus.CONFLICT, SIZE_TYPE, f"{known.size}\n".encode())
        try:
            verify_consistency(known.size, known.root, new.size, new.root, request.proof)
        except ConsistencyError:
            return _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, "the consistency proof does not hold")
        lines = []
        for key in self.keys:
            signature = key.sign(message_to_sign(key.vkey, new, timestamp=now))
            lines.append(f"{signature_line(key.vkey, signature, timestamp=now)}\n")
        return Reply(HTTPStatus.OK, _TEXT, "".join(lines).encode(), record=new)


def _refuse(status: HTTPStatus, problem: str) -> Reply:
    return Reply(status, _TEXT, f"{problem}\n".encode())
