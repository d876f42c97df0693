"""From a folder and a root of trust to an open vault: made where there is none, followed up where a crash left it."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hallmark_client.device.audit import AuditAct
from hallmark_client.device.errors import ArtifactUnknown, PolicyViolation, StoreFailed
from hallmark_client.device.policy import DENY_ALL, VaultPolicy
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault.access import Access, Permissions
from hallmark_client.device.vault.disk import Disk
from hallmark_client.device.vault.epochs import Epochs
from hallmark_client.device.vault.erasure import Erasure
from hallmark_client.device.vault.folder import VaultFolder
from hallmark_client.device.vault.holdings import Holdings
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.ledger import Ledger
from hallmark_client.device.vault.secrets import POLICY, Secrets
from hallmark_client.device.vault.state import VaultState
from hallmark_client.system import System
from hallmark_client.watch.clocks import DeviceClock


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a vault is given. now: of the trusted-time floor; None: the clock that anybody can set."""

    tenant: str
    system: System
    disk: Disk
    clock: DeviceClock
    now: Callable[[], datetime] | None
    permissions: Permissions | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    state: VaultState
    access: Access
    erasure: Erasure


def open_vault(path: Path, root: RootOfTrust, policy: VaultPolicy | None, around: Surroundings) -> Opened:
    """1. the lock  2. the index  3. its epoch against the root's  4. the rows  5. what was under way  6. the policy
    7. files that no row names. Raises VaultInUse, StoreFailed, RolledBack, RootLost, RootUnavailable, PolicyViolation.
    """
    with ExitStack() as undo:
        folder = VaultFolder(path, around.disk)
        undo.callback(folder.close)
        index = Index(folder.index, around.disk)
        undo.callback(index.close)
        index.create_tables()
        state = _state(index, folder, root, around)
        _open_epoch(state)
        undo.callback(state.epochs.key.wipe)
        with index.reading():
            state.holdings.load()
            access = Access(index, state.ledger, state.root_facts, DENY_ALL, around.permissions)
            access.policy = _policy(state, policy)
            erasure = Erasure(state, access, root)
            erasure.follow_up()
            folder.sweep(set(state.holdings.blobs()))
        state.ledger.note(state.ledger.record(AuditAct.OPENED, facts={"epoch": str(state.epochs.number)}))
        undo.pop_all()
    return Opened(state=state, access=access, erasure=erasure)


def _state(index: Index, folder: VaultFolder, root: RootOfTrust, around: Surroundings) -> VaultState:
    ledger = Ledger(index, around.clock, around.now)
    epochs = Epochs(index, root, around.system, ledger.now)
    return VaultState(
        tenant=around.tenant,
        system=around.system,
        disk=around.disk,
        folder=folder,
        index=index,
        ledger=ledger,
        epochs=epochs,
        holdings=Holdings(index),
        secrets=Secrets(index, epochs, ledger),
        root_facts=root.facts,
    )


def _open_epoch(state: VaultState) -> None:
    with state.index.lock:
        if state.index.fact("format") is None:
            if next(state.folder.stored(), None) is not None:
                raise StoreFailed(
                    "STORE_FAILED",
                    f"{state.folder.path} holds encrypted files but no index: put index.sqlite back, or empty it",
                )
            state.epochs.make(state.tenant)
            return
        found = state.index.fact("tenant")
        if found != state.tenant:
            raise StoreFailed("STORE_FAILED", f"{state.folder.path} is a vault of tenant {found!r}, not {state.tenant}")
        state.epochs.open()


def _policy(state: VaultState, given: VaultPolicy | None) -> VaultPolicy:
    """The one that is kept here. The first one is taken as it is given; after that `set_policy` decides."""
    try:
        kept = VaultPolicy.parse(bytes(state.secrets.open(POLICY)))
    except ArtifactUnknown:
        if given is None:
            return DENY_ALL
        state.secrets.keep_policy(given.to_bytes())
        return given
    if given is not None and given != kept:
        raise PolicyViolation(
            "administrators",
            f"this vault has policy version {kept.version}: open it without one, then put version {given.version} in "
            "its place by set_policy",
        )
    return kept


def close_vault(state: VaultState) -> None:
    """What was read is written down, keys are wiped, the lock is free. Raises StoreFailed after all that."""
    try:
        state.ledger.flush()
        state.ledger.note(state.ledger.record(AuditAct.CLOSED))
    finally:
        state.epochs.key.wipe()
        state.index.close()
        state.folder.close()


def leave_vault(state: VaultState) -> None:
    """In the child of a fork: without a lock, and without a write."""
    state.epochs.key.wipe()
    state.index.leave_to_parent()
    state.folder.close()
