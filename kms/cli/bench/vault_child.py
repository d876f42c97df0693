"""One measurement in a process of its own: a request as JSON in the last argument, an answer as JSON on stdout.

Memory is the peak of this process's resident set (VmHWM, proc_pid_status(5)), begun anew when everything is imported
and the vault is open. getrusage(2) would not do: its peak is inherited over exec.
"""

import importlib
import json
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot, MemoryState
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind

APPLICATION: Final = "bench"
NAME: Final = "bench/model"
_CALLER: Final = Caller(application=APPLICATION)
_BLOCK: Final = 1024 * 1024
_READ: Final = 4096
_SEED: Final = 7
_BEGIN_ANEW: Final = "5"
"""proc_pid_clear_refs(5): the peak becomes what is resident now."""


def main() -> None:
    request = json.loads(sys.argv[-1])
    sys.stdout.write(json.dumps(_WORK[request["work"]](request)) + "\n")


def measured(work: Callable[[], list[float]]) -> dict[str, Any]:
    """seconds: of each round. cpu_seconds: of all of them, all threads. extra_bytes: at the peak, beyond what was
    resident before.
    """
    Path("/proc/self/clear_refs").write_text(_BEGIN_ANEW)
    before = status_bytes("VmRSS")
    cpu = time.process_time()
    seconds = work()
    cpu = time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, "extra_bytes": max(0, status_bytes("VmHWM") - before)}


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def status_bytes(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _put(request: dict[str, Any]) -> dict[str, Any]:
    """The last round stays, for those that read it. state: of the root of trust."""
    root = MemoryRoot()
    source = Path(request["source"])

    def put(vault: Vault) -> object:
        return vault.put(source, name=NAME, kind=ArtifactKind.MODEL_WEIGHTS)

    def rounds(vault: Vault) -> Iterator[float]:
        for number in range(request["rounds"]):
            if number:
                vault.delete(NAME)
            yield timed(lambda: put(vault))

    with Vault.open(Path(request["vault"]), root, policy=VaultPolicy.allow_own(APPLICATION)) as vault:
        found = measured(lambda: list(rounds(vault)))
    state = root.state
    keys = {epoch: bytes(key).hex() for epoch, key in state.keys.items()}
    return found | {"state": {"root": state.root, "epoch": state.epoch, "keys": keys}}


def _get(request: dict[str, Any]) -> dict[str, Any]:
    """Everything, into one buffer of 1 MiB again and again; what is no larger than that, as one value."""
    with _opened(request) as vault:
        whole = vault.find(NAME).size <= _BLOCK
        buffer = bytearray(_BLOCK)

        def get() -> None:
            if whole:
                vault.read(NAME, caller=_CALLER)
                return
            with vault.get(NAME, caller=_CALLER) as reader:
                while reader.readinto(buffer):
                    pass

        get()
        return measured(lambda: [timed(get) for _ in range(request["rounds"])])


def _random(request: dict[str, Any]) -> dict[str, Any]:
    """4 KiB from any place, each of which is likely in another chunk than the one before."""
    choose = random.Random(_SEED)  # noqa: S311 - places, no secrets
    with _opened(request) as vault, vault.get(NAME, caller=_CALLER) as reader:
        places = [choose.randrange(max(1, reader.size - _READ)) for _ in range(request["rounds"])]
        return measured(lambda: [timed(lambda place=place: reader.pread(place, _READ)) for place in places])  # type: ignore[misc]


def _peer(request: dict[str, Any]) -> dict[str, Any]:
    """The same with pqc-enclave-sdk, which is in memory only: content in, content out."""
    sys.path[:0] = request["path"]
    sys.modules["oqs"] = None  # type: ignore[assignment]  # a plain installation: importing it may build liboqs
    peer = importlib.import_module("pqc_enclave_sdk")

    vault = peer.EnclaveVault(backend=peer.InMemoryEnclaveBackend())
    vault.unlock()
    content = Path(request["source"]).read_bytes()

    def put() -> None:
        vault._store.clear()  # noqa: SLF001 - otherwise every round stays in memory
        vault.put_artifact(name=NAME, kind=peer.ArtifactKind.MODEL_WEIGHTS, content=content)

    rounds = range(request["rounds"])
    found_put = measured(lambda: [timed(put) for _ in rounds])
    found_get = measured(lambda: [timed(lambda: vault.get_artifact(NAME)) for _ in rounds])
    return {"put": found_put, "get": found_get, "peak_bytes": status_bytes("VmHWM")}


def _opened(request: dict[str, Any]) -> Vault:
    state = request["state"]
    keys = {int(epoch): bytearray.fromhex(key) for epoch, key in state["keys"].items()}
    root = MemoryRoot(MemoryState(root=state["root"], epoch=state["epoch"], keys=keys))
    return Vault.open(Path(request["vault"]), root)


_WORK: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "put": _put,
    "get": _get,
    "random": _random,
    "peer": _peer,
}

if __name__ == "__main__":
    os.umask(0o077)
    main()
