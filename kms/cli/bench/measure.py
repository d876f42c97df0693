"""One run: the bare engine, the pool in process, the service over the wire, one after the other on the same machine."""

import asyncio
import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kms.cli.bench.batched import Batched, measure_batched
from kms.cli.bench.processes import RawEngine, Unary, run_callers, run_raw_engine
from kms.cli.child import ServerProcess
from kms.cli.connection import Server
from kms.cli.failure import CommandError, not_usable
from kms.cli.output import write_file

if TYPE_CHECKING:
    from hallmark_client.model.capabilities import Capabilities

_ALGORITHM: Final = "id-MLDSA65-ECDSA-P256-SHA512"
_UNLIMITED: Final = b"[server]\nrate_per_second = 1e9\n"
"""One caller is meant to use the whole server here."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure. server None: start one for the purpose."""

    seconds: float
    concurrency: int
    batch: int
    server: Server | None
    key_name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Rates in signatures a second, latencies in milliseconds: of a call (unary) or of a whole batch (batched).

    Ratios are to raw_engine_per_second. caller_cores: CPU that the callers of the unary measurement took.
    """

    unary_per_second: float
    unary_p50_ms: float
    unary_p99_ms: float
    batched_per_second: float
    batched_p50_ms: float
    batched_p99_ms: float
    raw_engine_per_second: float
    unary_ratio: float
    batched_ratio: float
    engine: str
    signers: int
    cores: int
    checked_engine_per_second: float
    checked_ratio: float
    caller_cores: float
    algorithm: str
    concurrency: int
    batch: int
    seconds: float
    batched_path: str
    tls_group: str

    def to_dict(self) -> dict[str, Any]:
        return {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(self).items()}


def measure(plan: Plan, *, say: Say) -> Report:
    """Raises HsmError, HallmarkError, CommandError."""
    folder = Path(tempfile.mkdtemp(prefix="hallmark-bench-"))
    try:
        say("measuring batches through the signer pool")
        batched = asyncio.run(measure_batched(folder / "hsm", batch=plan.batch, seconds=plan.seconds))
        say("measuring the bare engine")
        before = _raw_engine(folder, batched, plan)
        say("measuring unary calls")
        with _server(plan.server, folder) as server:
            with server.connect() as client:
                facts = client.capabilities()
            key_name = plan.key_name or _new_key(server)
            unary = run_callers(server, key_name=key_name, concurrency=plan.concurrency, seconds=plan.seconds)
        say("measuring the bare engine again")
        raw = before.mean(_raw_engine(folder, batched, plan))
    except CommandError as error:
        error.advice = error.advice or f"What was left is in {folder}"
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    return _report(plan, batched, raw, unary, facts)


def _raw_engine(folder: Path, batched: Batched, plan: Plan) -> RawEngine:
    """Half of the time before the service is measured and half after it: the machine may change its pace."""
    return run_raw_engine(
        folder / "hsm",
        engine=batched.engine,
        material=batched.material,
        processes=batched.signers,
        seconds=plan.seconds / 2,
    )


def _report(plan: Plan, batched: Batched, raw: RawEngine, unary: Unary, facts: "Capabilities") -> Report:
    return Report(
        unary_per_second=unary.per_second,
        unary_p50_ms=unary.p50_ms,
        unary_p99_ms=unary.p99_ms,
        batched_per_second=batched.per_second,
        batched_p50_ms=batched.p50_ms,
        batched_p99_ms=batched.p99_ms,
        raw_engine_per_second=raw.bare_per_second,
        unary_ratio=unary.per_second / raw.bare_per_second,
        batched_ratio=batched.per_second / raw.bare_per_second,
        engine=next((f"{engine.name} {engine.version}" for engine in facts.engines if engine.signs), "none"),
        signers=facts.hsm.signer_processes,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        checked_engine_per_second=raw.checked_per_second,
        checked_ratio=raw.checked_per_second / raw.bare_per_second,
        caller_cores=unary.caller_cores,
        algorithm=_ALGORITHM,
        concurrency=plan.concurrency,
        batch=plan.batch,
        seconds=plan.seconds,
        batched_path="signer pool in process (KeyProvider.sign_many); there is no batch call on the wire yet",
        tls_group=facts.tls_group,
    )


@contextlib.contextmanager
def _server(chosen: Server | None, folder: Path) -> Iterator[Server]:
    """The one that was chosen, or a new one that is gone afterwards."""
    if chosen is not None:
        yield chosen
        return
    settings = folder / "settings.toml"
    write_file(settings, _UNLIMITED)
    process = ServerProcess(home=folder / "home", log_file=folder / "server.log", settings_file=settings)
    try:
        process.start()
        yield Server(home=process.home, role="backend", profile_folder=None)
    finally:
        process.stop()


def _new_key(server: Server) -> str:
    if server.profile_folder is not None:
        advice = "Give --key NAME: a key that this profile may sign with"
        raise not_usable("KEY_MISSING", "a profile alone can not make a key to measure with", advice)
    from hallmark_client.client import Client

    with Client(server.profile("admin")) as admin:
        return admin.keys.create(f"bench-{secrets.token_hex(4)}", algorithm=_ALGORITHM).name
