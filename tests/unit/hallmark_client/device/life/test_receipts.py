import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from fault.device.life_office import NOW, Office
from hallmark_client.device.audit import AuditHead
from hallmark_client.device.life.erasing import Moment
from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.life.model import Step, Work
from hallmark_client.device.life.receipts import NV_PARTS, Sending, Signer, receipt_challenge
from hallmark_client.device.life.store import LifeStore
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.roots.port import EpochEvidence
from hallmark_client.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable, VerificationFailed
from hallmark_client.system import System
from unit.hallmark_client.device.life.conftest import DEVICE, command

KEY = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))
BOOT = "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
REFUSED = FailedPrecondition("VERDICT_REFUSED", "not believed")


class Certifying(MemoryRoot):
    """A root that has a word to say about its epoch."""

    def __init__(self, parts=NV_PARTS) -> None:
        super().__init__()
        self.parts = parts
        self.asked: list[bytes] = []

    def evidence(self, nonce: bytes) -> EpochEvidence:
        self.asked.append(nonce)
        return EpochEvidence(epoch=self.epoch(), parts=dict.fromkeys(self.parts, b"part"))


def signed(root=None) -> Work:
    moment = Moment(head=AuditHead(size=1, head=bytes(32)), boot_id=BOOT, time=NOW)
    signer = Signer(device=DEVICE, key=KEY, root=root or MemoryRoot(), system=System(), moment=lambda: moment)
    return signer.sign(Work(command=command(), step=Step.ERASING, epoch_before=4), 4, 5)


@pytest.fixture
def office() -> Office:
    return Office()


def sent(tmp_path, office: Office, work: Work) -> Work:
    store = LifeStore(tmp_path)
    store.ask(work.command)
    store.put(work)
    sending = Sending(store=store, client=lambda: office.client, trusted_keys=lambda: office.keys, system=System())
    try:
        sending.run()
    finally:
        (found,) = store.works()
        store.close()
    return found


def test_a_receipt_says_what_the_service_asks_for() -> None:
    work = signed()
    own = next(iter(json.loads(work.receipt)["events"].values()))["hallmark.v1"]
    asked = command().own
    for name in ("removal", "artifact", "consent", "nonce", "method"):
        assert own[name] == asked[name]
    assert (own["epoch_before"], own["epoch_after"], own["boot_id"]) == (4, 5, BOOT)
    assert work.step is Step.SIGNED
    assert work.signature
    assert work.evidence is None


def test_evidence_is_over_the_receipt_itself() -> None:
    root = Certifying()
    work = signed(root)
    assert root.asked == [receipt_challenge(work.receipt)]
    assert work.evidence is not None
    assert work.evidence.keys() == NV_PARTS
    assert signed(Certifying(parts=("of another kind",))).evidence is None


@pytest.mark.parametrize(("root", "grade"), [(None, "A1"), (Certifying(), "A2")])
def test_the_answer_is_verified_and_kept(tmp_path, office, root, grade) -> None:
    work = sent(tmp_path, office, signed(root))
    assert (work.step, work.grade) == (Step.ANSWERED, grade)
    assert json.loads(work.answer).keys() == {"countersigned", "key_version", "signature", "leaf_hash"}


def test_a_countersignature_that_is_forged_is_no_answer(tmp_path, office) -> None:
    office.forges = True
    with pytest.raises((VerificationFailed, InvalidArgument)):
        sent(tmp_path, office, signed())


@pytest.mark.parametrize("about", ["another receipt", "another removal", "no receipt"])
def test_what_was_countersigned_for_another_is_no_answer(tmp_path, about) -> None:
    """Signed by the service all the same: an answer that somebody in between has kept."""

    class Mistaken(Office):
        def submit(self, removal, receipt, *, request_id):
            if about == "another receipt":
                receipt = replace(receipt, set=receipt.set + b" ")
            if about == "another removal":
                removal = command(2).removal
            answer = super().submit(removal, receipt, request_id=request_id)
            return replace(answer, receipt=None) if about == "no receipt" else answer

    with pytest.raises(VerificationFailed, match="about"):
        sent(tmp_path, Mistaken(), signed())


def test_evidence_that_is_not_believed_is_left_out(tmp_path, office) -> None:
    class Doubting(Office):
        def submit(self, removal, receipt, *, request_id):
            if receipt.evidence is not None:
                raise REFUSED
            return super().submit(removal, receipt, request_id=request_id)

    before = signed(Certifying())
    work = sent(tmp_path, Doubting(), before)
    assert (work.step, work.grade, work.receipt) == (Step.ANSWERED, "A1", before.receipt)
    assert work.request_id != before.request_id
    assert work.note == "not A2: VERDICT_REFUSED"


def test_a_signature_that_is_not_believed_leaves_grade_a0(tmp_path) -> None:
    class Strict(Office):
        def submit(self, removal, receipt, *, request_id):
            if receipt.signature:
                raise InvalidArgument("SIGNATURE_INVALID", "of another key")
            return super().submit(removal, receipt, request_id=request_id)

    assert sent(tmp_path, Strict(), signed()).grade == "A0"


@pytest.mark.parametrize(
    ("refusal", "step"),
    [
        (FailedPrecondition("STATE_TRANSITION_INVALID", "there is one"), Step.ANSWERED),
        (NotFound("RESOURCE_NOT_FOUND", "no such removal"), Step.REFUSED),
        (InvalidArgument("CHALLENGE_MISMATCH", "another nonce"), Step.REFUSED),
    ],
)
def test_what_no_repetition_changes_is_not_repeated(tmp_path, office, refusal, step) -> None:
    office.refusal = refusal
    work = sent(tmp_path, office, signed())
    assert (work.step, office.calls) == (step, 1)
    assert work.note


def test_nobody_there_is_no_answer(tmp_path, office) -> None:
    office.away = 1
    with pytest.raises(Unavailable):
        sent(tmp_path, office, signed())
    assert sent(tmp_path, office, replace(signed(), note="")).step is Step.ANSWERED
