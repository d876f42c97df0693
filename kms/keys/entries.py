"""The log entry of a signature, written by a form that is filled in: it is on the path of every signature.

The bytes are those of kms.log.model.LogEntry (canonical JSON); a test holds one against the other.

For auditors. `signature.created` (subject: the version) has these details, hashes in hex:

algorithm            title of the algorithm
context_sha256       of the application context
format               "jws" or "cose-sign1"; left out for the algorithm's own bytes
input_digest_sha256  of digest, mu or message, whatever the algorithm signs
signature_sha256     of what was given out
verdict              tenants/{tenant}/verdicts/{verdict} that the attestation gate of the key let pass; left out for
                     a key without a gate. It has an entry of its own before this one (device.attested or
                     device.reappraised, subject: the verdict), the gate stands in the key's last entry
                     (attestation_gate). `envelope.opened` and `data-key.generated` have it in the same way.
"""

import hashlib
from datetime import datetime
from functools import lru_cache

from hallmark_tlog.entry import ENTRY_VERSION
from kms.core.canonical import canonical_json
from kms.core.clock import format_time
from kms.core.names import KeyVersionName
from kms.keys.inputs import Prepared

EVENT_TYPE = "signature.created"
_PIECE_BYTES = 2000


class EntryForm:
    """For one version. Everything but the names, which are checked JSON strings, is hex, a UUID or a time."""

    __slots__ = ("_head", "_subject")

    def __init__(self, name: KeyVersionName, algorithm: str) -> None:
        self._head = b'{"details":{"algorithm":' + canonical_json(algorithm)
        self._subject = b"".join(
            (b'","subject":', canonical_json(str(name)), b',"tenant":', canonical_json(name.tenant), b',"time":"')
        )

    def fill(
        self,
        event_key: str,
        prepared: Prepared,
        signature: bytes,
        time: str,
        form: str | None = None,
        verdict: str | None = None,
    ) -> bytes:
        """`time` as `format_time` writes it. `form`: of the signature, None for the algorithm's own bytes.

        `verdict`: name of the one that the use rests on.
        """
        rests_on = "" if verdict is None else f',"verdict":"{verdict}"'
        hashes = (
            f',"context_sha256":"{_context_hash(prepared.context)}"{_form(form)}'
            f',"input_digest_sha256":"{prepared.digest_sha256}"'
            f',"signature_sha256":"{_sha256(signature)}"{rests_on}}},"id":"{event_key}'
        )
        tail = f'{time}","type":"{EVENT_TYPE}","v":{ENTRY_VERSION}}}'
        return b"".join((self._head, hashes.encode(), self._subject, tail.encode()))


def _sha256(data: bytes) -> str:
    """Hex. In pieces below 2,048 bytes: from there on hashlib gives the interpreter lock away and waits for it."""
    hashing = hashlib.sha256(data[:_PIECE_BYTES])
    for start in range(_PIECE_BYTES, len(data), _PIECE_BYTES):
        hashing.update(data[start : start + _PIECE_BYTES])
    return hashing.hexdigest()


def entry_time(now: datetime) -> str:
    return format_time(now)


def _form(form: str | None) -> str:
    return "" if form is None else f',"format":"{form}"'


@lru_cache(maxsize=1024)
def _context_hash(context: bytes) -> str:
    return hashlib.sha256(context).hexdigest()
