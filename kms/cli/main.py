"""`hallmark`, the command line. A command's module is loaded when it is called, so that help is there at once."""

import gc
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import click

from kms.cli.failure import report
from kms.cli.invocation import Invocation, debug_option

_GC_THRESHOLD: Final = (50_000, 10, 10)
"""What modules are made of stays: to look through it every 700 objects is a sixth of the time they take to load."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is (module:attribute) and what it is for, so that the list needs no import."""

    target: str
    purpose: str


COMMANDS = {
    "demo": Entry("kms.cli.demo.command:demo", "Show the whole main job against a real service, in two minutes."),
    "serve": Entry("kms.cli.serve:serve", "Run the service."),
    "keys": Entry("kms.cli.keys:keys", "Create, show, rotate, suspend, destroy keys; aliases; public keys."),
    "trust": Entry("kms.cli.trust:trust", "Trust bundles: every public key with its validity; who has which."),
    "sign": Entry("kms.cli.sign:sign", "Sign a file, or the manifest of a folder, with a hybrid key."),
    "verify": Entry("kms.cli.verify:verify", "Verify a signature offline, with public material only."),
    "envelope": Entry("kms.cli.envelope:envelope", "Seal data to a key, open it; data keys; shred an epoch."),
    "approvals": Entry("kms.cli.approvals:approvals", "Propose and approve acts that take several people."),
    "hsm": Entry("kms.cli.hsm.command:hsm", "Look after the token: examine it, renew its sealing key, back it up."),
    "ceremony": Entry("kms.cli.ceremony.command:ceremony", "Create keys from one reviewed file, with a transcript."),
    "attest": Entry("kms.cli.attest:attest", "Judge device evidence offline."),
    "policy": Entry("kms.cli.policy:policy", "What devices are judged by: check, try out, activate."),
    "devices": Entry("kms.cli.devices:devices", "List attested devices; read verdicts, have them judged again."),
    "anchors": Entry("kms.cli.anchors:anchors", "Keys that evidence may end in: the vendors' and your own."),
    "collateral": Entry("kms.cli.collateral:collateral", "Revocation lists, TCB levels, metadata, endorsed keys."),
    "revoke": Entry("kms.cli.revoke:revoke", "Take trust back from a key or a device."),
    "watch": Entry("kms.cli.watch:watch", "Follow what is granted and taken back as it happens."),
    "consent": Entry("kms.cli.consent.group:consent", "Grant, renew, withdraw consent; leases; what was removed."),
    "artifacts": Entry("kms.cli.artifacts:artifacts", "Suspend artifacts; demand a newer version of a model."),
    "release": Entry("kms.cli.release.group:release", "Model releases: build, sign, publish, verify."),
    "vault": Entry("kms.cli.vault.group:vault", "The vault of a device: keep, read, delete; its agent for apps."),
    "status": Entry("kms.cli.status.group:status", "Public status files: show, verify, fetch, sizes."),
    "ssf": Entry("kms.cli.ssf:ssf", "Servers that hear of events: let them in, list, send away."),
    "backup": Entry("kms.cli.backup:backup", "Back up everything a server keeps, verify it, restore it."),
    "access": Entry("kms.cli.access.group:access", "Who may do what: policies, grants, try out, test."),
    "tenants": Entry("kms.cli.tenants:tenants", "Tenants: make, list, suspend; their quotas and channel rules."),
    "audit": Entry("kms.cli.audit.group:audit", "Who came over which channels; CBOM, SBOM, licences."),
    "doctor": Entry("kms.cli.doctor.command:doctor", "Check a deployment from the operator's chair, and what to do."),
    "settings": Entry("kms.cli.settings:settings", "What can be set: every key, its default; is a file right."),
    "migrate": Entry("kms.cli.migrate:migrate", "Bring the database up to this version, or see whether it is."),
    "log": Entry("kms.cli.log:log", "Verify the transparency log like an auditor."),
    "bench": Entry("kms.cli.bench.command:bench", "Measure this machine."),
}


class LateGroup(click.Group):
    """A group that knows its commands by name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.purpose) for name, entry in COMMANDS.items()])


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hallmark")
@debug_option
def hallmark() -> None:
    """Keys, hybrid signatures, attested devices, revocation, and a log that anyone can check.

    \b
    First time here:    hallmark demo
    Then, for real:     hallmark serve
    and beside it:      hallmark keys create manifest
                        hallmark sign README.md --key manifest --proof
                        hallmark keys public manifest --output manifest.pem
                        hallmark verify README.md --key manifest.pem

    Every command explains itself with --help; --json makes it print JSON for programs.

    \b
    Exit codes:  0  it is so, or it was done
                 1  what was asked about is not so (a signature, a log, evidence)
                 2  the command can not work like this (options, files, settings)
                 3  the server says no
                 4  the server can not be reached
    """


def run(arguments: Sequence[str]) -> int:
    """One invocation; gives the exit code. Never raises for a mistake of the user."""
    invocation = Invocation()
    try:
        # Not standalone, click hands over the code of ctx.exit; commands themselves give nothing.
        code = hallmark.main(args=list(arguments), prog_name="hallmark", standalone_mode=False, obj=invocation)
    except click.Abort:
        click.echo("\nstopped", err=True)
        return 130
    except Exception as error:  # the outermost edge: whatever it is, the user gets a sentence
        return report(error, invocation)
    return code if isinstance(code, int) else 0


def main() -> NoReturn:
    """Console entry."""
    gc.set_threshold(*_GC_THRESHOLD)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
