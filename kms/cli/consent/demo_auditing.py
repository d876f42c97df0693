"""Steps: the phone that owes a receipt is shut out, and the auditor's report is checked with public files alone."""

import time
from collections.abc import Callable, Sequence

from hallmark_client.errors import FailedPrecondition, HallmarkError, PermissionDenied
from hallmark_client.model.removals import Removal, RemovalState
from hallmark_tlog.acceptance import accept_signed_by
from hallmark_tlog.fetch import http_fetcher
from hallmark_tlog.locate import PublicLog
from kms.cli.child import ask
from kms.cli.consent.demo_stage import CONTROLLER, PATIENCE_SECONDS, PROMISE, Stage
from kms.cli.consent.demo_taking import wait_for_removals
from kms.cli.consent.report_html import report_page
from kms.cli.demo.stage import DemoFailed, hold
from kms.cli.output import short, write_file

_LOOK_SECONDS = 0.1


def shut_out(stage: Stage) -> Sequence[str]:
    """D was reached, even said so, and gave no receipt by the deadline."""
    phone, found = stage.phones["D"], stage.findings
    patience = PROMISE.total_seconds() + PATIENCE_SECONDS
    owed = wait_for_removals(stage, "D", RemovalState.OVERDUE, patience)
    found.overdue_seconds = round(time.monotonic() - stage.withdrawn_at, 1)
    hold(all(each.acknowledge_time is not None for each in owed), "phone D never said that it had heard")
    client, watcher = phone.client(), phone.watcher
    assert watcher is not None
    until = time.monotonic() + PATIENCE_SECONDS
    while "DEVICE_REVOKED" not in watcher.status.reasons and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
    hold("DEVICE_REVOKED" in watcher.status.reasons, f"the stream of phone D goes on: {watcher.status}")
    found.stream_ended = True
    backend, artifact = stage.client("backend"), next(iter(stage.artifacts.values()))
    another = backend.consents.grant(
        "card holder 4712",
        controller=CONTROLLER,
        purposes=["dpv:FraudPreventionAndDetection"],
        artifacts=[artifact],
        removal_time=PROMISE,
    ).consent.name
    found.lease_refused = _refusal(
        lambda: backend.consents.acquire_lease(another, artifact, device=phone.name), FailedPrecondition
    )
    found.certificate_refused = _refusal(lambda: client.consents.acquire_lease(another, artifact), PermissionDenied)
    return (
        f"{len(owed)} removals of phone D are overdue, {found.overdue_seconds} s after the withdrawal",
        "its stream has ended: DEVICE_REVOKED",
        f"another person's lease for it is refused: {found.lease_refused}",
        f"its certificate is refused: {found.certificate_refused}",
    )


def audit(stage: Stage) -> Sequence[str]:
    """The report as `hallmark consent report` gives it; each receipt is looked up in the public log."""
    report = ask("consent", "report", "--profile", str(stage.home / "clients" / "auditor"), folder=stage.outside)
    hold(report.exit_code == 0, f"the report failed: {report.words}")
    states = {state: count for state, count in report.document["states"].items() if count}
    wanted = {"deleted": len(stage.artifacts), "lapsed": 2 * len(stage.artifacts), "overdue": len(stage.artifacts)}
    hold(states == wanted, f"the removals are {states}, not {wanted}")
    stage.findings.removals = states
    auditor, page = stage.client("auditor"), stage.outside / "removals.html"
    write_file(page, report_page(auditor.removals.report()).encode())
    log, proved = _public_log(stage), 0
    for removal in auditor.removals.list(state=RemovalState.DELETED):
        _prove(stage, log, removal)
        proved += 1
    withdrawn = stage.withdrawal.log
    hold(log.index_of_leaf(withdrawn.leaf_hash) is not None, "the withdrawal is not in the log")
    stage.findings.receipts_proved, stage.findings.log_size = proved, log.checkpoint.size
    return (*_told(report.document), *_proofs(stage, proved), *stage.kept_file("for people", page))


def _public_log(stage: Stage) -> PublicLog:
    """Read over plain HTTP, believed by the keys that were kept from the first day."""
    accept = accept_signed_by(stage.vkeys, origin=stage.log.origin)
    return PublicLog(http_fetcher(stage.server.public_url), accept)


def _prove(stage: Stage, log: PublicLog, removal: Removal) -> None:
    whole = stage.client("auditor").removals.get(removal.name)
    receipt = whole.receipt
    assert receipt is not None
    assert receipt.log is not None
    receipt.verify(stage.service_keys, removal.name)
    index = log.index_of_leaf(receipt.log.leaf_hash)
    hold(index is not None, f"the receipt of {short(removal.name)} is not in the log")
    assert index is not None
    proved = log.prove(index)
    hold(proved.verified.index == index, f"the receipt of {short(removal.name)} is not proved")


def _told(report: object) -> list[str]:
    """The table, in a few lines."""
    assert isinstance(report, dict)
    lines = [f"{count} {state}" for state, count in report["states"].items() if count]
    times = [f"removals: {', '.join(lines)}"]
    for name, title in (("to_acknowledgement", "acknowledged"), ("to_receipt", "with a receipt")):
        found = report[name]
        if found is not None:
            times.append(f"{title}: p50 {found['p50_seconds']:.2f} s, p99 {found['p99_seconds']:.2f} s")
    return times


def _proofs(stage: Stage, proved: int) -> tuple[str, ...]:
    return (
        f"{proved} receipts and the withdrawal are proved to be in the log of {stage.findings.log_size} entries,",
        "from its public files over plain HTTP, without asking the service",
    )


def _refusal(act: Callable[[], object], kind: type[HallmarkError]) -> str:
    """The reason. Raises DemoFailed when it was not refused."""
    try:
        act()
    except kind as error:
        return error.reason
    raise DemoFailed("a device that is overdue was not refused")
