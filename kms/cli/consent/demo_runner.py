"""Runs the steps of the demonstration of consent in order, shows them, and tidies up."""

import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from attestation.testing import VirtualVendor
from kms.cli.child import ServerProcess
from kms.cli.consent import demo_auditing, demo_giving, demo_taking
from kms.cli.consent.demo_stage import Findings, Stage
from kms.cli.demo.scene import devices_settings, on_scene
from kms.cli.demo.show import show_for
from kms.cli.demo.stage import DemoFailed
from kms.cli.demo.steps import Step, take
from kms.cli.output import write_file

_SETTINGS: Final = """\
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
    with on_scene(lambda folder: _prepare(folder, keep=keep), show, keep=keep) as stage:
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


def _prepare(folder: Path, *, keep: bool) -> Stage:
    home, outside = folder / "home", folder / "outside"
    outside.mkdir()
    vendor, settings = VirtualVendor.create(now=datetime.now(UTC)), folder / "settings.toml"
    write_file(settings, (devices_settings(folder, vendor) + _SETTINGS).encode())
    nowhere = socket.socket()
    nowhere.bind(("127.0.0.1", 0))
    server = ServerProcess(home=home, log_file=folder / "server.log", settings_file=settings)
    return Stage(home=home, outside=outside, server=server, vendor=vendor, keep=keep, nowhere=nowhere)
