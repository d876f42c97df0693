"""What somebody can do who has the same TPM, or the files, but is not the vault."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from hallmark_client.device.errors import LimitReached, RootLost, RootUnavailable
from hallmark_client.device.roots.port import Limits
from hallmark_client.device.roots.tpm2 import open_tpm2_root, templates
from hallmark_client.device.roots.tpm2.blob import Sealed, parse_blob
from hallmark_client.device.roots.tpm2.root import Tpm2Root
from hallmark_client.device.roots.tpm2.state import parse_state
from support.swtpm import NEEDS_SWTPM
from support.swtpm_bus import wired
from support.swtpm_root import LABEL, SECRET, TpmRootBench, alone, tpm_root_bench

pytestmark = [*NEEDS_SWTPM]


def test_a_counter_that_was_made_again_opens_nothing(bench: TpmRootBench, root: Tpm2Root) -> None:
    """Same handle, same attributes, so the same name; the owner authorization is empty, so anybody can."""
    import tpm2_pytss

    epoch, index = root.epoch(), bench.facts()["index"]
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    following = root.seal(SECRET, epoch=epoch + 1, label=LABEL)
    with bench.esapi() as esapi:
        esapi.nv_undefine_space(esapi.tr_from_tpmpublic(index))
    for call in (root.epoch, lambda: root.open(blob, epoch=epoch, label=LABEL), bench.open):
        with pytest.raises(RootLost, match="counter of this vault"):
            call()
    with bench.esapi() as esapi:
        counter = esapi.nv_define_space(b"", templates.counter(tpm2_pytss, index, protected=False))
        esapi.nv_increment(counter)
        assert bytes(esapi.tr_get_name(counter)) == parse_state(bench.state.read_bytes()).name
        stands = int.from_bytes(bytes(esapi.nv_read(counter, 8)))
    assert stands > epoch, "it begins behind the one that was removed"
    for call in (root.epoch, lambda: root.open(blob, epoch=epoch, label=LABEL), bench.open):
        with pytest.raises(RootLost, match="somebody made another"):
            call()
    with pytest.raises(RootLost):
        root.open(following, epoch=epoch + 1, label=LABEL)


def test_another_program_can_neither_count_nor_read(bench: TpmRootBench, root: Tpm2Root) -> None:
    import tpm2_pytss

    epoch = root.epoch()
    with bench.esapi() as esapi:
        counter = esapi.tr_from_tpmpublic(bench.facts()["index"])
        for call in (lambda: esapi.nv_increment(counter), lambda: esapi.nv_read(counter, 8)):
            with pytest.raises(tpm2_pytss.TSS2_Exception, match="auth"):
                call()
    assert root.epoch() == epoch


def test_spent_uses_are_not_given_back(bench: TpmRootBench, root: Tpm2Root) -> None:
    """The limit is written once; the policy of the index lets nobody write it again, not even the owner."""
    import tpm2_pytss

    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=1))
    root.open(blob, epoch=epoch, label=LABEL)
    with bench.esapi() as esapi:
        uses = esapi.tr_from_tpmpublic(bench.facts()["uses"][0]["index"])
        session = esapi.start_auth_session(
            tpm2_pytss.ESYS_TR.NONE, tpm2_pytss.ESYS_TR.NONE, tpm2_pytss.TPM2_SE.POLICY,
            tpm2_pytss.TPMT_SYM_DEF(algorithm=tpm2_pytss.TPM2_ALG.NULL), tpm2_pytss.TPM2_ALG.SHA256,
        )  # fmt: skip
        esapi.policy_nv_written(session, False)
        fresh = bytes(4) + (9).to_bytes(4)
        with pytest.raises(tpm2_pytss.TSS2_Exception):
            esapi.nv_write(uses, fresh, session1=session)
        with pytest.raises(tpm2_pytss.TSS2_Exception):
            esapi.nv_write(uses, fresh, auth_handle=tpm2_pytss.ESYS_TR.OWNER)
        esapi.flush_context(session)
    with pytest.raises(LimitReached):
        root.open(blob, epoch=epoch, label=LABEL)


FORGERIES: dict[str, Callable[[Sealed], Sealed]] = {
    "epoch": lambda blob: _with(blob, epoch=blob.conditions.epoch + 1),
    "later": lambda blob: _with(blob, deadline=(blob.conditions.deadline or 0) + 1),
    "no deadline": lambda blob: _with(blob, deadline=None),
    "no count": lambda blob: _with(blob, uses=None),
    "label": lambda blob: replace(blob, label=b"another"),
    "public": lambda blob: replace(blob, public=blob.public[:-1] + bytes([blob.public[-1] ^ 1])),
    "private": lambda blob: replace(blob, private=blob.private[:-1] + bytes([blob.private[-1] ^ 1])),
    "ciphertext": lambda blob: replace(blob, ciphertext=blob.ciphertext[:-1] + bytes([blob.ciphertext[-1] ^ 1])),
}


def _with(blob: Sealed, **changes: Any) -> Sealed:
    return replace(blob, conditions=replace(blob.conditions, **changes))


def test_a_blob_can_not_be_edited(root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=20, not_after_seconds=3600))
    for forge in FORGERIES.values():
        forged = forge(parse_blob(blob))
        with pytest.raises(RootLost):
            root.open(forged.to_bytes(), epoch=forged.conditions.epoch, label=forged.label)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_the_chip_holds_the_deadline_by_itself(root: Tpm2Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also against a program that does not look at the clock, and one that drops the condition."""
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(not_after_seconds=1))
    with root.chip.reached() as here:
        esapi = here.connection.esapi
        esapi.clock_set(here.clock()[0] + 2000)
        with pytest.raises(here.connection.tss.TSS2_Exception):
            esapi.clock_set(here.clock()[0] - 2000)
    monkeypatch.setattr("hallmark_client.device.roots.tpm2.sealing._check_clock", lambda *_: None)
    with pytest.raises(RootLost) as refused:
        root.open(blob, epoch=epoch, label=LABEL)
    assert "policy" in str(refused.value.__cause__)
    monkeypatch.setattr("hallmark_client.device.roots.tpm2.sealing._check_policy", lambda *_: None)
    with pytest.raises(RootLost) as refused:
        root.open(_with(parse_blob(blob), deadline=None).to_bytes(), epoch=epoch, label=LABEL)
    assert "policy" in str(refused.value.__cause__)


@alone
def test_pulling_the_plug_gains_no_time(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch = root.epoch()
    limited = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(not_after_seconds=3600))
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    bench.tpm.shut_down()
    bench.tpm.start()
    assert root.open(limited, epoch=epoch, label=LABEL) == SECRET
    bench.tpm.cut_power()
    bench.tpm.start()
    with pytest.raises(RootUnavailable, match="not certain of its clock"):
        root.open(limited, epoch=epoch, label=LABEL)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_files_on_another_tpm_open_nothing(bench: TpmRootBench, root: Tpm2Root) -> None:
    blob = root.seal(SECRET, epoch=root.epoch(), label=LABEL)
    with tpm_root_bench() as stranger:
        stranger.state.write_bytes(bench.state.read_bytes())
        stranger.state.chmod(0o600)
        with pytest.raises(RootLost, match="not the one"):
            stranger.open()
        stranger.state.unlink()
        other = stranger.open()
        with pytest.raises(RootLost):
            other.open(blob, epoch=other.epoch(), label=LABEL)


@alone
def test_a_cleared_tpm_has_lost_everything(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    bench.tpm.run("tpm2_clear", "-c", "l")
    for call in (root.epoch, lambda: root.open(blob, epoch=epoch, label=LABEL), bench.open):
        with pytest.raises(RootLost, match="was cleared"):
            call()
    assert bench.open(name="other.json").epoch() > epoch, "a cleared TPM keeps on counting"


@alone
def test_a_wrong_value_is_told_and_guessing_locks(bench: TpmRootBench) -> None:
    root = bench.open(auth=b"1234")
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    with pytest.raises(RootUnavailable, match="authorization value is wrong"):
        bench.open(auth=b"1235")
    with pytest.raises(RootUnavailable, match="needs its authorization value"):
        bench.open()
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    bench.tpm.run("tpm2_dictionarylockout", "-s", "-n", "2", "-t", "1000", "-l", "1000")
    for _ in range(4):
        with pytest.raises(RootUnavailable):
            bench.open(auth=b"0000")
    with pytest.raises(RootUnavailable, match="tpm2_dictionarylockout --clear-lockout"):
        root.open(blob, epoch=epoch, label=LABEL)
    unprotected = bench.open(name="other.json")
    assert unprotected.epoch() >= 1, "wrong guesses of others do not lock who has nothing to guess"
    bench.tpm.run("tpm2_dictionarylockout", "-c")
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_a_value_that_nobody_asked_for(bench: TpmRootBench, root: Tpm2Root) -> None:
    with pytest.raises(RootUnavailable, match="without an authorization value"):
        bench.open(auth=b"1234")


def test_the_authorization_value_is_nowhere_to_read(bench: TpmRootBench) -> None:
    auth = bytearray(b"correct horse battery")
    root = open_tpm2_root(bench.state, tcti=bench.tpm.tcti, auth=lambda: auth)
    assert not any(auth), "what the caller gave is wiped"
    blob = root.seal(SECRET, epoch=root.epoch(), label=LABEL)
    for found in (bench.state.read_bytes(), blob, repr(root).encode(), repr(root.chip).encode()):
        assert b"correct horse" not in found
        assert SECRET not in found


@alone
def test_a_storage_key_from_outside_is_no_parent(bench: TpmRootBench) -> None:
    """Whoever has the owner authorization may put a key of their own making where the storage key belongs."""
    attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign"
    bench.tpm.run("tpm2_createprimary", "-C", "o", "-G", "ecc:ecdsa-sha256", "-c", "key.ctx", "-a", attributes)
    bench.tpm.run("tpm2_evictcontrol", "-C", "o", "-c", "key.ctx", "0x81000001")
    bench.tpm.run("tpm2_flushcontext", "-t")
    with pytest.raises(RootLost, match="no storage key"):
        bench.open()
    assert not bench.state.exists()


def test_the_bus_carries_no_secret(bench: TpmRootBench, root: Tpm2Root) -> None:
    """Every command and answer between the TSS and the TPM, read along."""
    epoch = root.epoch()
    with wired(bench.tpm) as bus:
        overheard = open_tpm2_root(bench.state, tcti=bus.tcti)
        blob = overheard.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=9))
        assert overheard.open(blob, epoch=epoch, label=LABEL) == SECRET
        heard = b"".join(bus.heard)
    key, authorization = _unsealed(root, blob), parse_state(bench.state.read_bytes()).auth_value(b"")
    assert len(key) == len(authorization) == 32
    assert parse_blob(blob).public in heard, "it is the right wire"
    for secret in (bytes(key), bytes(authorization), SECRET):
        assert secret not in heard


def _unsealed(root: Tpm2Root, blob: bytes) -> bytearray:
    from hallmark_client.device.roots.tpm2.sealing import unseal_key

    with root.chip.reached() as here:
        return unseal_key(here, parse_blob(blob), here.counter())
