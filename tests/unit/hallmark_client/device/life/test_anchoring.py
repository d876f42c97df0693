from datetime import timedelta

import pytest

from hallmark_client.device.audit import AuditHead
from hallmark_client.device.life.anchoring import Anchoring
from hallmark_client.device.life.store import LifeStore
from hallmark_client.errors import FailedPrecondition, Unavailable
from hallmark_client.model.log import LogPromise
from hallmark_client.model.releases import Anchored
from unit.hallmark_client.device.life.conftest import NOW

PROMISE = LogPromise(leaf_hash=bytes(32), event_key="k", leaf_index=0, tlog_proof=b"p", entry=b"e")


class Log:
    def __init__(self, folder) -> None:
        self.head = AuditHead(size=3, head=b"3" * 32)
        self.anchored: list[AuditHead] = []
        self.remembered: list[AuditHead] = []
        self.away = self.diverged = False
        self.anchoring = Anchoring(
            store=LifeStore(folder),
            head=lambda: self.head,
            anchor=self._anchor,
            remember=lambda head, _: self.remembered.append(head),
            every=timedelta(days=1),
        )

    def _anchor(self, head: AuditHead) -> Anchored:
        if self.diverged:
            raise FailedPrecondition("AUDIT_DIVERGED", "another chain was anchored before")
        if self.away:
            raise Unavailable("UNREACHABLE", "nobody listens")
        self.anchored.append(head)
        return Anchored(time=NOW, log=PROMISE)


def test_what_is_new_is_anchored_and_what_is_not_is_not(tmp_path) -> None:
    log = Log(tmp_path)
    assert log.anchoring.run() == 86_400
    log.anchoring.run()
    assert log.anchored == log.remembered == [AuditHead(size=3, head=b"3" * 32)]
    assert log.anchoring.size == 3
    log.head = AuditHead(size=5, head=b"5" * 32)
    log.anchoring.run()
    assert log.anchoring.size == 5
    assert len(log.anchored) == 2
    log.anchoring.store.close()


def test_away_is_tried_again(tmp_path) -> None:
    log = Log(tmp_path)
    log.away = True
    with pytest.raises(Unavailable):
        log.anchoring.run()
    assert log.anchoring.size == 0
    log.away = False
    log.anchoring.run()
    assert log.anchoring.size == 3
    log.anchoring.store.close()


def test_a_chain_that_is_refused_is_not_offered_all_the_time(tmp_path) -> None:
    log = Log(tmp_path)
    log.diverged = True
    with pytest.raises(FailedPrecondition) as refused:
        log.anchoring.run()
    assert refused.value.retry_after_seconds == 86_400
    log.anchoring.store.close()
