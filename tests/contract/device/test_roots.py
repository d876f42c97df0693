"""Every root of trust keeps every rule of device/roots/port.py: one table of roots, one list of rules.

To add a root: a context manager over a folder that gives a function which opens the same root again and again, and a
row in ROOTS.
"""

import importlib.util
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hallmark_client.device.errors import LimitReached, RootFailed, RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.bridge import BridgeRoot
from hallmark_client.device.roots.keyring import open_keyring_root
from hallmark_client.device.roots.memory import MemoryRoot, MemoryState
from hallmark_client.device.roots.passphrase import open_passphrase_root
from hallmark_client.device.roots.passphrase_file import PassphraseFile
from hallmark_client.device.roots.pkcs11 import open_pkcs11_root
from hallmark_client.device.roots.port import Limits, RootOfTrust, RootPower
from support.bridges import served_reference
from support.device_tokens import token_of_this_process
from support.fault_runs import LONG
from support.keyrings import MemoryKeyring, secret_service
from support.swtpm_root import short_lived_tpm

Open = Callable[[], RootOfTrust]
SECRET = bytes(range(100, 132))
LABEL = b"kek"
_FILES: dict[str, bytes] = {}
_GUARDS: dict[bytes, bytes] = {}


@contextmanager
def memory(folder: Path) -> Iterator[Open]:
    state = MemoryState(root=str(folder))
    yield lambda: MemoryRoot(state)


@contextmanager
def passphrase(folder: Path) -> Iterator[Open]:
    """One file for all roots "a" and one for all "b", and what Argon2id makes of the passphrase is made once for each: the
    rules here are not about its price.
    """
    path, guard = folder / "root", PassphraseFile.guard

    def once(file: PassphraseFile, given: bytes | bytearray) -> bytearray:
        if file.salt not in _GUARDS:
            _GUARDS[file.salt] = bytes(guard(file, given))
        return bytearray(_GUARDS[file.salt])

    def open_() -> RootOfTrust:
        return open_passphrase_root(path, lambda: bytearray(b"correct horse battery staple"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PassphraseFile, "guard", once)
        if folder.name not in _FILES:
            open_().close()
            _FILES[folder.name] = path.read_bytes()
        path.write_bytes(_FILES[folder.name])
        path.chmod(0o600)
        yield open_


@contextmanager
def pkcs11(folder: Path) -> Iterator[Open]:
    token = token_of_this_process()
    name = f"{folder.parent.name}-{folder.name}".lower()[-64:].lstrip("-_.")
    yield lambda: open_pkcs11_root(token.place, token.pin, name=name)


@contextmanager
def keyring(folder: Path) -> Iterator[Open]:
    backend = MemoryKeyring()
    yield lambda: open_keyring_root("test", backend=backend, lock_folder=folder)


@contextmanager
def secret_service_keyring(folder: Path) -> Iterator[Open]:
    with secret_service(folder) as backend:
        yield lambda: open_keyring_root("test", backend=backend, lock_folder=folder)


@contextmanager
def bridge(folder: Path) -> Iterator[Open]:
    with served_reference(folder) as path:
        yield lambda: BridgeRoot(path)


@contextmanager
def tpm2(folder: Path) -> Iterator[Open]:
    if importlib.util.find_spec("tpm2_pytss") is None or shutil.which("swtpm") is None:
        pytest.skip("tpm2-pytss or swtpm is not installed: scripts/install_tpm.sh")
    from hallmark_client.device.roots.tpm2 import open_tpm2_root

    with short_lived_tpm() as tpm:
        yield lambda: open_tpm2_root(folder / "root", tcti=tpm.tcti)


ROOTS = (memory, passphrase, pkcs11, keyring, secret_service_keyring, bridge, tpm2)


@pytest.fixture(params=ROOTS, ids=lambda root: root.__name__)
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same root each time; all are closed at the end."""
    folder = tmp_path / "a"
    folder.mkdir(mode=0o700)
    opened = []
    with request.param(folder) as open_:

        def keep() -> RootOfTrust:
            opened.append(open_())
            return opened[-1]

        yield keep
        for root in opened:
            root.close()


@pytest.fixture
def root(reopen: Open) -> RootOfTrust:
    return reopen()


def test_its_facts_are_honest(root: RootOfTrust) -> None:
    facts = root.facts
    assert facts.name in {"memory", "passphrase", "pkcs11", "keyring", "bridge", "tpm2"}
    assert facts.detail
    assert facts.caveats
    assert all(caveat.endswith(".") for caveat in facts.caveats)
    assert facts.assurance is not Enforcement.SERVER
    # Everything here runs in software: nothing may call itself hardware, the TPM's emulator included.
    assert Enforcement.HARDWARE not in {facts.assurance, *facts.powers.values()}


@pytest.mark.parametrize("size", [1, 32, 256])
def test_what_was_sealed_opens_as_it_was_again_and_again(root: RootOfTrust, size: int) -> None:
    epoch, secret = root.epoch(), bytes(range(256))[:size]
    for label in (b"a", bytes(64)):
        blob = root.seal(bytearray(secret), epoch=epoch, label=label)
        assert size < 8 or secret not in blob
        for _ in range(2):
            opened = root.open(blob, epoch=epoch, label=label)
            assert isinstance(opened, bytearray)
            assert opened == secret


def test_no_two_blobs_are_equal(root: RootOfTrust) -> None:
    epoch = root.epoch()
    assert root.seal(SECRET, epoch=epoch, label=LABEL) != root.seal(SECRET, epoch=epoch, label=LABEL)


def test_sealing_takes_what_the_port_says_and_nothing_else(root: RootOfTrust) -> None:
    epoch = root.epoch()
    for secret, label in ((b"", LABEL), (bytes(257), LABEL), (SECRET, b""), (SECRET, bytes(65))):
        with pytest.raises(ValueError):
            root.seal(secret, epoch=epoch, label=label)
    for other in (epoch - 1, epoch + 2, 0, -1):
        with pytest.raises(ValueError):
            root.seal(SECRET, epoch=other, label=LABEL)
    for power, limits in (
        (RootPower.MAX_USES, Limits(max_uses=1)),
        (RootPower.NOT_AFTER, Limits(not_after_seconds=60)),
    ):
        if power not in root.facts.powers:
            with pytest.raises(ValueError):
                root.seal(SECRET, epoch=epoch, label=LABEL, limits=limits)


def test_it_opens_for_the_same_label_and_epoch_only(root: RootOfTrust) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    with pytest.raises(RootLost):
        root.open(blob, epoch=epoch, label=b"other")
    for other in (epoch + 1, epoch - 1):
        with pytest.raises(RootLost):
            root.open(blob, epoch=other, label=LABEL)


def test_changed_blobs_do_not_open(root: RootOfTrust) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    step = max(1, len(blob) // (60 if LONG else 6))
    changed = [blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :] for at in {*range(0, len(blob), step), len(blob) - 1}]
    for bad in (b"", b"\0", blob[:-1], blob + b"\0", bytes(len(blob)), *changed):
        with pytest.raises(RootLost):
            root.open(bad, epoch=epoch, label=LABEL)
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET


def test_advancing_goes_one_step_and_can_be_repeated(root: RootOfTrust) -> None:
    epoch = root.epoch()
    assert epoch >= 1
    root.advance(epoch)
    assert root.epoch() == epoch
    for other in (epoch + 2, epoch - 1, 0):
        with pytest.raises(ValueError):
            root.advance(other)
    root.advance(epoch + 1)
    root.advance(epoch + 1)
    assert root.epoch() == epoch + 1


def test_after_advancing_the_past_is_closed_and_what_was_sealed_ahead_opens(root: RootOfTrust, reopen: Open) -> None:
    epoch = root.epoch()
    past, ahead = (root.seal(SECRET, epoch=number, label=LABEL) for number in (epoch, epoch + 1))
    with pytest.raises(RootLost):
        root.open(ahead, epoch=epoch + 1, label=LABEL)
    root.advance(epoch + 1)
    for opened in (root, reopen()):
        for number in (epoch, epoch + 1):
            with pytest.raises(RootLost):
                opened.open(past, epoch=number, label=LABEL)
        assert opened.open(ahead, epoch=epoch + 1, label=LABEL) == SECRET


def test_it_is_the_same_after_a_restart(root: RootOfTrust, reopen: Open) -> None:
    epoch = root.epoch()
    blob, ahead = (root.seal(SECRET, epoch=number, label=LABEL) for number in (epoch, epoch + 1))
    root.close()
    root = reopen()
    assert root.epoch() == epoch
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    root.advance(epoch + 1)  # a crash lay between sealing ahead and this
    root.close()
    root = reopen()
    assert root.epoch() == epoch + 1
    assert root.open(ahead, epoch=epoch + 1, label=LABEL) == SECRET


def test_two_that_are_open_at_once_see_what_the_other_did(root: RootOfTrust, reopen: Open) -> None:
    other, epoch = reopen(), root.epoch()
    ours, theirs = (each.seal(SECRET, epoch=epoch + 1, label=LABEL) for each in (root, other))
    root.advance(epoch + 1)
    other.advance(epoch + 1)
    assert root.epoch() == other.epoch() == epoch + 1
    for blob in (ours, theirs):
        assert root.open(blob, epoch=epoch + 1, label=LABEL) == other.open(blob, epoch=epoch + 1, label=LABEL) == SECRET


def test_several_epochs_in_a_row(root: RootOfTrust) -> None:
    first = root.epoch()
    for epoch in range(first, first + 4):
        blob = root.seal(SECRET, epoch=epoch + 1, label=LABEL)
        root.advance(epoch + 1)
        assert root.open(blob, epoch=epoch + 1, label=LABEL) == SECRET


@pytest.mark.parametrize("kind", ROOTS, ids=lambda root: root.__name__)
def test_another_root_of_the_same_kind_opens_nothing(kind: Callable, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir(mode=0o700)
    with kind(folders[0]) as one:
        root = one()
        epoch = root.epoch()
        blob = root.seal(SECRET, epoch=epoch, label=LABEL)
        root.close()
    with kind(folders[1]) as two:
        other = two()
        present = other.epoch()
        with pytest.raises(RootLost):
            other.open(blob, epoch=present, label=LABEL)
        other.close()


def test_max_uses(root: RootOfTrust, reopen: Open) -> None:
    if RootPower.MAX_USES not in root.facts.powers:
        pytest.skip("this root counts nothing, and says so")
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=3))
    for opened in (root, root, reopen()):
        assert opened.open(blob, epoch=epoch, label=LABEL) == SECRET
    for opened in (root, reopen()):
        with pytest.raises(LimitReached) as caught:
            opened.open(blob, epoch=epoch, label=LABEL)
        assert caught.value.clause == RootPower.MAX_USES
    for uses in (0, -1):
        with pytest.raises(ValueError):
            root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(max_uses=uses))


def test_not_after(root: RootOfTrust) -> None:
    if RootPower.NOT_AFTER not in root.facts.powers:
        pytest.skip("this root keeps no time, and says so")
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL, limits=Limits(not_after_seconds=1))
    assert root.open(blob, epoch=epoch, label=LABEL) == SECRET
    time.sleep(1.1)
    with pytest.raises(LimitReached) as caught:
        root.open(blob, epoch=epoch, label=LABEL)
    assert caught.value.clause == RootPower.NOT_AFTER


def test_evidence_or_none(root: RootOfTrust) -> None:
    evidence = root.evidence(bytes(32))
    if RootPower.EVIDENCE in root.facts.powers:
        assert evidence is not None
        assert evidence.epoch >= 1
        assert all(evidence.parts.values())
    else:
        assert evidence is None
    for size in (0, 15, 65):
        with pytest.raises(ValueError):
            root.evidence(bytes(size))


def test_once_closed_it_does_nothing(root: RootOfTrust) -> None:
    epoch = root.epoch()
    blob = root.seal(SECRET, epoch=epoch, label=LABEL)
    root.close()
    root.close()
    for act in (
        root.epoch,
        lambda: root.seal(SECRET, epoch=epoch, label=LABEL),
        lambda: root.open(blob, epoch=epoch, label=LABEL),
        lambda: root.advance(epoch + 1),
    ):
        with pytest.raises(RootUnavailable):
            act()


def test_nothing_that_it_says_has_the_secret(root: RootOfTrust) -> None:
    epoch = root.epoch()
    secret = b"a secret of the vault"
    blob = root.seal(secret, epoch=epoch, label=LABEL)
    with pytest.raises(RootFailed) as caught:
        root.open(blob[:-1] + bytes([blob[-1] ^ 1]), epoch=epoch, label=LABEL)
    for text in (repr(root), str(root.facts), str(root.facts.to_dict()), repr(caught.value), str(caught.value)):
        assert "a secret" not in text
        assert secret.hex() not in text
