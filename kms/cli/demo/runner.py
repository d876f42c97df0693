"""Runs the steps in order, shows them, and tidies up: one story, told by what happened."""

import glob
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kms.cli.child import ServerProcess
from kms.cli.demo import auditing, devices, ota, ota_device, ota_removal, release, restart, revoking, signing
from kms.cli.demo.findings import Findings
from kms.cli.demo.next_steps import next_steps
from kms.cli.demo.ota_stage import OtaStage
from kms.cli.demo.scene import devices_settings, on_scene
from kms.cli.demo.show import show_for
from kms.cli.demo.stage import DemoFailed, Genuine, Stage, Subject
from kms.cli.demo.steps import Step, take
from kms.cli.output import write_file

SOURCES: Final = ("attestation", "clients", "hsm", "kms", "protos")
"""What is signed when no folder is given: this project's own sources."""
_NOT_SOURCES: Final = (".*", "__pycache__", "*.pyc", "node_modules")
_NOT_CONTENT: Final = (".git", "__pycache__")


STEPS: Final = (
    Step("Start the service", signing.start_service),
    Step("Create a hybrid key in the HSM", signing.create_key),
    Step("Sign the manifest of a folder", signing.sign_folder),
    Step("Verify it offline, with public material only", signing.verify_offline),
    Step("Rotate the key", signing.rotate_key),
    Step("Attest a device", devices.attest_device),
    Step("Refuse tampered copies of its evidence", devices.refuse_tampered),
    Step("Judge the evidence of a genuine phone", devices.judge_genuine),
    Step("Publish a release of a model", release.publish_release),
    Step("Let the phone enrol by itself, with a vault for models", ota_device.enrol_phone),
    Step("Refuse tampered copies of the release", ota.refuse_tampered_release),
    Step("Refuse its key without consent", ota.refuse_without_consent),
    Step("Update the phone, with consent", ota.update_phone),
    Step("Withdraw the consent: the model is gone from the phone", ota_removal.withdraw_consent),
    Step("Prove the removal", ota_removal.prove_removal),
    Step("Let a back office watch for revocations", revoking.open_watch),
    Step("Revoke the old key version", revoking.revoke_old_version),
    Step("Kill the server with SIGKILL and start it again", restart.kill_and_restart),
    Step("Let an auditor verify the log from its public files", auditing.audit_log),
)


def run_demo(folder: Path | None, genuine: Genuine | None, *, keep: bool, as_json: bool) -> Findings:
    """Raises DemoFailed for the first step that does not hold; then the server's log is kept and named."""
    show = show_for(as_json=as_json)
    show.heading("Hallmark, end to end: a real service on this machine; only the phone is virtual")
    steps = [step for step in STEPS if genuine is not None or step.act is not devices.judge_genuine]
    subject = subject_of(folder)
    with on_scene(lambda where: _prepare(where, subject, genuine), show, keep=keep) as stage:
        for step in steps:
            take(step, stage, show, log_file=stage.server.log_file)
        if missing := stage.findings.missing():
            raise DemoFailed(f"these did not hold: {', '.join(missing)}")
    show.say()
    show.heading("All of it held. Try next:")
    for next_step in next_steps():
        show.say(f"  {next_step.command}")
        show.say(f"      {next_step.purpose}")
    return stage.findings


def subject_of(folder: Path | None) -> Subject:
    """The folder given, or this project's sources; of an installed package, the package."""
    if folder is not None:
        return Subject(folder, _NOT_CONTENT)
    package = Path(__file__).parents[2]
    root = package.parent
    if not all((root / name).is_dir() for name in SOURCES):
        return Subject(package, _NOT_SOURCES)
    others = [glob.escape(entry.name) for entry in root.iterdir() if entry.name not in SOURCES]
    return Subject(root, (*_NOT_SOURCES, *others))


def _prepare(folder: Path, subject: Subject, genuine: Genuine | None) -> Stage:
    home, outside = folder / "home", folder / "outside"
    outside.mkdir()
    vendor, phone = devices.make_phone(datetime.now(UTC))
    settings = folder / "settings.toml"
    write_file(settings, devices_settings(folder, vendor).encode())
    server = ServerProcess(home=home, log_file=folder / "server.log", settings_file=settings)
    return Stage(
        home=home,
        outside=outside,
        subject=subject,
        server=server,
        phone=phone,
        ota=OtaStage(folder / "ota"),
        genuine=genuine,
    )
