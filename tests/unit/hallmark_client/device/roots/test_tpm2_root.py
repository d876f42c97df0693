"""The TPM root on swtpm: what the port promises, and what its limits do."""

import contextlib
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import sleep

import pytest

from hallmark_client.device.errors import LimitReached, RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.port import Limits, RootPower
from hallmark_client.device.roots.tpm2 import Tpm2Root, open_tpm2_root
from support.fault_runs import long_only
from support.swtpm import NEEDS_SWTPM
from support.swtpm_root import LABEL, SECRET, TpmRootBench, alone

pytestmark = [*NEEDS_SWTPM]


@pytest.mark.parametrize("size", [1, 32, 129, 256])  # a TPM seals 128 bytes at most
def test_what_is_sealed_opens_again(root: Tpm2Root, size: int) -> None:
    secret = bytes(range(256))[:size]
    blob = root.seal(secret, epoch=root.epoch(), label=LABEL)
    assert root.open(blob, epoch=root.epoch(), label=LABEL) == secret
    assert secret not in blob or size == 1


@alone
def test_it_is_the_same_root_after_a_restart_of_both(bench: TpmRootBench, root: Tpm2Root) -> None:
    blob = root.seal(SECRET, epoch=root.epoch(), label=LABEL)
    root.close()
    bench.tpm.shut_down()
    bench.tpm.start()
    again = bench.open()
    assert again.open(blob, epoch=again.epoch(), label=LABEL) == SECRET
    assert stat.S_IMODE(bench.state.stat().st_mode) == 0o600


def test_the_folder_of_its_file_is_made(bench: TpmRootBench) -> None:
    folder = bench.state.with_name("vault-of-another")
    open_tpm2_root(folder / "root.json", tcti=bench.tpm.tcti).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_another_label_or_epoch_opens_nothing(root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    for other in ({"epoch": epoch, "label": b"dek"}, {"epoch": epoch + 1, "label": LABEL}):
        with pytest.raises(RootLost):
            root.open(blob, **other)


def test_an_advance_shreds(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch = root.epoch()
    before = root.seal(SECRET, epoch=epoch, label=LABEL)
    after = root.seal(SECRET, epoch=epoch + 1, label=LABEL)
    with pytest.raises(RootLost):
        root.open(after, epoch=epoch + 1, label=LABEL)
    root.advance(epoch)
    assert root.epoch() == epoch
    root.advance(epoch + 1)
    root.advance(epoch + 1)  # again, as after a crash
    assert root.epoch() == epoch + 1
    for each in (root, bench.open()):
        assert each.open(after, epoch=epoch + 1, label=LABEL) == SECRET
        for claimed in (epoch, epoch + 1):
            with pytest.raises(RootLost):
                each.open(before, epoch=claimed, label=LABEL)
    for wrong in (epoch, epoch + 3):
        with pytest.raises(ValueError, match="neither it nor the next"):
            root.advance(wrong)
        with pytest.raises(ValueError, match="neither it nor the next"):
            root.seal(SECRET, epoch=wrong, label=LABEL)


def test_the_chip_itself_refuses_a_past_epoch(root: Tpm2Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also to a program that does not look at the counter before."""
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    root.advance(epoch + 1)
    monkeypatch.setattr("hallmark_client.device.roots.tpm2.chip.Reached.count", lambda *_: epoch)
    with pytest.raises(RootLost) as refused:
        root.open(blob, epoch=epoch, label=LABEL)
    assert "policy failure" in str(refused.value.__cause__)


@alone
def test_a_number_of_uses(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=3))
    other = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=1))
    assert [root.open(blob, epoch=epoch, label=LABEL) for _ in range(2)] == [SECRET, SECRET]
    bench.tpm.cut_power()
    bench.tpm.start()
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    for _ in range(2):
        with pytest.raises(LimitReached) as refused:
            root.open(blob, epoch=epoch, label=LABEL)
        assert refused.value.clause == "max-uses"
    assert root.open(other, epoch=epoch, label=LABEL) == SECRET


def test_what_is_refused_anyway_takes_no_use(root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=1))
    for label in (b"a", b"b"):
        with pytest.raises(RootLost):
            root.open(blob, epoch=epoch, label=label)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_use_counters_of_a_past_epoch_are_removed(bench: TpmRootBench, root: Tpm2Root) -> None:
    epoch, before = root.epoch(), bench.tpm.handles("nv-index")
    root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=1))
    kept = root.seal(SECRET, epoch=epoch + 1, label=LABEL, limits=Limits(max_uses=1))
    assert len(bench.tpm.handles("nv-index").split()) == len(before.split()) + 4
    root.advance(epoch + 1)
    assert len(bench.tpm.handles("nv-index").split()) == len(before.split()) + 2
    assert root.open(kept, epoch=epoch + 1, label=LABEL) == SECRET
    root.advance(epoch + 2)
    assert bench.tpm.handles("nv-index") == before
    assert bench.facts()["uses"] == []


def test_a_time_limit(root: Tpm2Root) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(not_after_seconds=1))
    lasting = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(not_after_seconds=3600, max_uses=1))
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    sleep(1.1)
    with pytest.raises(LimitReached) as refused:
        root.open(blob, epoch=epoch, label=LABEL)
    assert refused.value.clause == "not-after"
    assert root.open(lasting, epoch=epoch, label=LABEL) == SECRET


def test_limits_that_a_tpm_can_not_count(root: Tpm2Root) -> None:
    for limits in (
        Limits(max_uses=1 << 32), Limits(max_uses=0), Limits(not_after_seconds=0), Limits(not_after_seconds=1 << 60)
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"use|not-after"):
            root.seal(SECRET, epoch=root.epoch(), label=LABEL, limits=limits)


def test_a_state_of_the_boot(bench: TpmRootBench) -> None:
    root = bench.open(pcrs=(7, 16))
    epoch = root.epoch()
    assert RootPower.BOOT_STATE in root.facts.powers
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    bench.tpm.run("tpm2_pcrextend", "16:sha256=" + "5a" * 32)
    with pytest.raises(RootUnavailable, match="boot state"):
        root.open(blob, epoch=epoch, label=LABEL)
    bench.tpm.run("tpm2_pcrreset", "16")
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    assert bench.open().open(blob, epoch=epoch, label=LABEL) == SECRET, "the blob says which registers"
    for wrong in ((24,), (-1,), (7, 7)):
        with pytest.raises(ValueError, match="0 to 23"):
            bench.open(pcrs=wrong)


def test_two_roots_on_one_tpm_know_nothing_of_each_other(bench: TpmRootBench, root: Tpm2Root) -> None:
    other = bench.open(name="other.json")
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    with pytest.raises(RootLost):
        other.open(blob, epoch=epoch, label=LABEL)
    other.advance(other.epoch() + 1)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


@alone
def test_a_storage_key_that_is_there_is_used(bench: TpmRootBench) -> None:
    """Then the owner authorization is needed to make the root, and no more."""
    attributes = "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt"
    bench.tpm.run("tpm2_createprimary", "-C", "o", "-G", "ecc", "-a", attributes, "-c", "srk.ctx")
    bench.tpm.run("tpm2_evictcontrol", "-C", "o", "-c", "srk.ctx", "0x81000001")
    bench.tpm.run("tpm2_flushcontext", "-t")
    bench.tpm.run("tpm2_changeauth", "-c", "owner", "secret of the owner")
    with pytest.raises(RootUnavailable, match="owner authorization"):
        bench.open()
    made = bench.open(owner=b"secret of the owner")
    assert bench.facts()["parent"]["handle"] == 0x81000001
    assert "owner authorization" not in " ".join(made.facts.caveats)
    root = bench.open()
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    root.advance(epoch + 1)
    assert root.evidence(bytes(32)) is not None
    with pytest.raises(RootUnavailable, match="owner authorization"):
        root.seal(SECRET, epoch=root.epoch(), label=LABEL, limits=Limits(max_uses=1))
    assert bench.facts()["uses"] == []
    made.seal(SECRET, epoch=root.epoch(), label=LABEL, limits=Limits(max_uses=1))


@alone
def test_an_owner_authorization_without_a_storage_key(bench: TpmRootBench) -> None:
    bench.tpm.run("tpm2_changeauth", "-c", "owner", "owner")
    bench.open(owner=b"owner")
    with pytest.raises(RootUnavailable, match="owner authorization"):
        bench.open(owner=b"another")


def test_a_program_is_never_called_a_chip(root: Tpm2Root) -> None:
    assert root.facts.name == "tpm2"
    assert root.facts.assurance is Enforcement.PLATFORM
    assert Enforcement.HARDWARE not in root.facts.powers.values()
    assert "This TPM is a program" in root.facts.caveats[0]
    assert "SW" in root.facts.detail


def test_a_closed_root_says_so(bench: TpmRootBench) -> None:
    root = bench.open(auth=b"1234")
    root.close()
    root.close()
    for call in (root.epoch, lambda: root.advance(1), lambda: root.evidence(bytes(16))):
        with pytest.raises(RootUnavailable, match="was closed"):
            call()


def test_nothing_stays_in_the_tpm(bench: TpmRootBench, root: Tpm2Root) -> None:
    _cycles(root, 10)
    root.evidence(bytes(32))
    with pytest.raises(RootLost):
        root.open(b"HMT2", epoch=root.epoch(), label=LABEL)
    assert bench.leftovers() == ""


@long_only
def test_nothing_stays_in_the_tpm_after_a_thousand_cycles(bench: TpmRootBench, root: Tpm2Root) -> None:
    _cycles(root, 1000)
    assert bench.leftovers() == ""


def test_without_a_tpm(tmp_path: Path) -> None:
    for tcti in ("swtpm:path=/nowhere", "device:/nowhere", "no such thing", ""):
        with pytest.raises(RootUnavailable, match="there is no TPM at"):
            open_tpm2_root(tmp_path / "root.json", tcti=tcti)
    assert not (tmp_path / "root.json").exists()


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tpm2_pytss", None)
    with pytest.raises(RootUnavailable, match="pip install tpm2-pytss"):
        open_tpm2_root(tmp_path / "root.json")


def _cycles(root: Tpm2Root, times: int) -> None:
    epoch = root.epoch()
    for _ in range(times):
        blob = root.seal(SECRET, epoch=epoch, label=LABEL)
        assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_two_that_use_one_tpm_at_once_take_turns(bench: TpmRootBench, root: Tpm2Root) -> None:
    """A TPM has room for three sessions; swtpm, without a resource manager, shares them among all connections."""
    with contextlib.closing(bench.open(name="other.json")) as other, ThreadPoolExecutor(2) as threads:

        def use(root: Tpm2Root) -> set[bytes]:
            blob = root.seal(SECRET, epoch=1, label=LABEL)
            return {bytes(root.open(blob, epoch=1, label=LABEL)) for _ in range(12)}

        assert list(threads.map(use, (root, other))) == [{SECRET}, {SECRET}]
