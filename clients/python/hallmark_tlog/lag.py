"""A cache, or a replica that is late, shows an earlier checkpoint than one that was seen before. Is it only that?

A log that went back shows a smaller tree, too. What tells them apart:
1. The keys that date checkpoints (types 0x04 and 0x06) state that no larger tree was known at that time
   (tlog-cosignature). So no key dated the smaller tree later than the larger one; a log that went back and signs again
   does.
2. Some key dated the smaller tree not long ago. A log that went back and does not sign is found out by that.
3. The tiles prove that the larger tree begins with the smaller one. Two logs that take turns are found out by that.
A checkpoint that no key dates is never taken for a late one.
"""

from hallmark_tlog.consistency import check_extends
from hallmark_tlog.errors import TlogError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.reader import TileReader
from hallmark_tlog.verify import VerifiedCheckpoint


def lags(shown: VerifiedCheckpoint, before: VerifiedCheckpoint, *, youngest: float, fetch: Fetch) -> bool:
    """Whether `shown`, of a smaller tree, is only late. `youngest`: POSIX seconds; `fetch` reads where it is shown."""
    if shown.checkpoint.size >= before.checkpoint.size or not _is_dated_earlier(shown, before, youngest):
        return False
    try:
        check_extends(shown.checkpoint, before.checkpoint, TileReader(fetch, before.checkpoint.size).read_hash)
    except TlogError:
        return False
    return True


def _is_dated_earlier(shown: VerifiedCheckpoint, before: VerifiedCheckpoint, youngest: float) -> bool:
    dated = {(signer.name, signer.key_id): signer.timestamp for signer in before.signers}
    times = [
        (signer.timestamp, later)
        for signer in shown.signers
        if signer.timestamp and (later := dated.get((signer.name, signer.key_id)))
    ]
    return all(time <= later for time, later in times) and any(time >= youngest for time, _ in times)
