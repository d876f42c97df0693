"""Runs the steps of the demonstration of consent in order, shows them, and tidies up."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate

from attestation.testing import VirtualVendor
from kms.cli.child import ServerProcess, as_toml
from kms.cli.consent import demo_auditing, demo_giving, demo_taking
from kms.cli.consent.demo_stage import Findings, Stage
from kms.cli.demo.show import Show, show_for
from kms.cli.demo.stage import DemoFailed
from kms.cli.demo.steps import Step, take
from kms.cli.output import write_file

_SETTINGS: Final = """\
[devices]
extra_android_roots = {roots}
android_status = {status}
[events]
snapshot_interval_seconds = 1
[removal]
check_interval_seconds = 1
"""
"""The intervals are the shortest: a server that stays is in no such hurry."""


STEPS: Final = (
    Step("Start the service", demo_giving.start_service),
    Step("Attest four phones", demo_giving.attest_phones),
    Step("Record a person's consent", demo_giving.grant_consent),
    Step("Let the phones hear of their leases", demo_giving.hear_of_leases),
    Step("The person withdraws", demo_taking.withdraw),
    Step("Phone A, online, hears it and proves that it deleted", demo_taking.obey),
    Step("Phone B, with plain HTTP only, reads it from files", demo_taking.read_files),
    Step("Phone C, offline, hears nothing: its leases end by themselves, within 50 s", demo_taking.outlive_leases),
    Step("Phone D heard it and gives no receipt: when the minute is over it is shut out", demo_auditing.shut_out),
    Step("The auditor's report, checked with the public log", demo_auditing.audit),
)


def run_demo(*, keep: bool, as_json: bool) -> Findings:
    """Raises DemoFailed for the first step that does not hold; then the server's log is kept and named."""
    show = show_for(as_json=as_json)
    show.heading("Consent, end to end: a real service on this machine, real time; only the phones are virtual")
    with _stage(show, keep=keep) as stage:
        for step in STEPS:
            take(step, stage, show, log_file=stage.server.log_file)
        if missing := stage.findings.missing():
            raise DemoFailed(f"these did not hold: {', '.join(missing)}")
    show.say()
    found = stage.findings
    show.heading(
        f"All of it held: usable for {found.last_usable_seconds} s after the withdrawal, "
        f"promised were {found.promised_seconds:.0f} s"
    )
    return found


@contextmanager
def _stage(show: Show, *, keep: bool) -> Iterator[Stage]:
    """Folders and a server that is not started yet; both are gone afterwards, unless something failed."""
    folder = Path(tempfile.mkdtemp(prefix="hallmark-consent-demo-"))
    stage = _prepare(folder, keep=keep)
    try:
        yield stage
    except DemoFailed:
        keep = True
        raise
    finally:
        stage.close()
        stage.server.stop()
        if keep:
            show.say(f"Kept: {stage.home} (server), {stage.outside} (phones, receipt, report)")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _prepare(folder: Path, *, keep: bool) -> Stage:
    home, outside = folder / "home", folder / "outside"
    outside.mkdir()
    vendor = VirtualVendor.create(now=datetime.now(UTC))
    root, status, settings = folder / "virtual-root.pem", folder / "status.json", folder / "settings.toml"
    write_file(root, load_der_x509_certificate(vendor.certificate).public_bytes(Encoding.PEM))
    write_file(status, b'{"entries": {}}')
    write_file(settings, _SETTINGS.format(roots=as_toml([str(root)]), status=as_toml(str(status))).encode())
    nowhere = socket.socket()
    nowhere.bind(("127.0.0.1", 0))
    server = ServerProcess(home=home, log_file=folder / "server.log", settings_file=settings)
    return Stage(home=home, outside=outside, server=server, vendor=vendor, keep=keep, nowhere=nowhere)
