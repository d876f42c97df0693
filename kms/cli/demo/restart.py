"""Step: the server is killed while it signs, started again, and has lost nothing that it had acknowledged."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from kms.cli.demo.stage import KEY_ID, DemoFailed, Stage, hold
from kms.cli.output import short

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.log import LogPromise

_SIGNED_BEFORE_KILL: Final = 10
_PATIENCE_SECONDS: Final = 60.0


class SteadySigner:
    """A backend that signs one message after the other, and keeps the promises it was given."""

    def __init__(self, client: "Client") -> None:
        self._client = client
        self._stop = threading.Event()
        self._enough = threading.Event()
        self._error: Exception | None = None
        self.promises: list[LogPromise] = []
        self._thread = threading.Thread(target=self._sign, name="demo-backend", daemon=True)
        self._thread.start()

    def wait_until_busy(self) -> None:
        if not self._enough.wait(_PATIENCE_SECONDS) or self._error is not None:
            raise self._error or DemoFailed("the backend could not sign before the kill")

    def finish(self) -> None:
        """Lets the call at hand end. Raises what broke it."""
        self._stop.set()
        self._thread.join(_PATIENCE_SECONDS)
        self._client.close()
        if self._error is not None:
            raise self._error
        hold(not self._thread.is_alive(), "the backend's interrupted call did not come back")

    def _sign(self) -> None:
        try:
            while not self._stop.is_set():
                message = f"message {len(self.promises)}".encode()
                self.promises.append(self._client.signing.sign(KEY_ID, message).log)
                if len(self.promises) >= _SIGNED_BEFORE_KILL:
                    self._enough.set()
        except Exception as error:  # raised again by whoever waits
            self._error = error
            self._enough.set()


def kill_and_restart(stage: Stage) -> Sequence[str]:
    """1. look  2. kill while it signs  3. restart  4. look again: state, log, promises  5. revoke once more."""
    auditor = stage.client("auditor")
    state, checkpoint = stage.state(), auditor.log.checkpoint().verify(stage.log.verifier_keys, stage.log.origin)
    signer = SteadySigner(stage.new_client("backend", timeout_seconds=_PATIENCE_SECONDS))
    signer.wait_until_busy()
    stage.server.kill()
    acknowledged = len(signer.promises)
    seconds = stage.server.start()
    signer.finish()
    hold(len(signer.promises) > acknowledged, "the call that the kill interrupted was not answered")
    hold(stage.state() == state, "keys, revocations, devices, releases, removals: not as before the kill")
    last = _revoke_device(stage)
    now = auditor.log.checkpoint().verify(stage.log.verifier_keys, stage.log.origin)
    auditor.log.consistency_proof(checkpoint.size, now.size).verify(checkpoint, now)
    _find_all(stage, [*signer.promises, last], now.size)
    stage.findings.restarted_without_loss = True
    return (
        f"SIGKILL while a backend was signing; serving again {seconds:.1f} s after the restart",
        f"keys, revocations, devices, releases, removals are the same; the log grew, {checkpoint.size} to {now.size}",
        f"all {acknowledged} signatures acknowledged before the kill are in it",
        "the call that the kill interrupted was answered after the restart",
        f"the watcher came back by itself and learned that {short(stage.device_name)} is revoked",
    )


def _revoke_device(stage: Stage) -> "LogPromise":
    """Everything before it in the log is published with it."""
    event = stage.client("admin").revocations.revoke(stage.device_name, "DEVICE_LOST", wait="published")
    arrived = stage.watcher.next().event
    hold(arrived.name == event.name, f"the watcher was told {arrived.name} again, or missed {event.name}")
    surplus = stage.watcher.close()
    hold(surplus == 0, f"the watcher was told {surplus} events too many")
    return event.log


def _find_all(stage: Stage, promises: "Sequence[LogPromise]", size: int) -> None:
    """Every promised entry, in the public files. That these are the log's is the auditor's to prove."""
    from hallmark_tlog.fetch import folder_fetcher
    from hallmark_tlog.merkle import leaf_hash
    from hallmark_tlog.reader import entries

    published = {leaf_hash(entry) for entry in entries(folder_fetcher(stage.home / "public"), size)}
    lost = [promise.event_key for promise in promises if promise.leaf_hash not in published]
    hold(not lost, f"{len(lost)} of {len(promises)} acknowledged acts are not in the log: {lost[:3]}")
