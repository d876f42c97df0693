"""Arguments and options that the commands of consents share, and how consents and leases are shown."""

from typing import TYPE_CHECKING, Final

import click

from kms.cli.identifiers import Identifier
from kms.cli.output import moment, print_facts, print_table, short
from kms.cli.times import span_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hallmark_client.model.consents import Consent, Lease

_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
CONSENT: Final = Identifier(
    "consent",
    "consents",
    _UUID,
    "the ID of a consent, such as 01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e; see `hallmark consent list`",
)
KINDS: Final = (
    "model-weights",
    "lora-adapter",
    "tokenizer",
    "credential",
    "biometric-template",
    "inference-cache",
    "safety-model",
    "other",
)
ACTIONS: Final = click.Choice(("suspend", "shred"))
STATES: Final = click.Choice(("given", "renewed", "withdrawn", "revoked", "expired"))


def show_consent(consent: "Consent") -> None:
    """All that people need of it, in two columns."""
    terms = consent.lease_terms
    print_facts(
        {
            "consent": short(consent.name),
            "state": f"{consent.state} (revision {consent.revision})",
            "person": consent.pii_principal_id,
            "controller": consent.controller,
            "purposes": consent.purposes,
            "lawful basis": consent.lawful_basis,
            "artifacts": [f"{each.artifact.rpartition('/')[2]} ({_words(each.kind)})" for each in consent.artifacts],
            "devices": [short(device) for device in consent.devices],
            "given": consent.create_time,
            "holds until": consent.expire_time,
            "removal within": span_text(consent.removal_time),
            "leases": None if terms.duration is None else f"{span_text(terms.duration)} at a time",
            "offline grace": span_text(terms.offline_grace) if terms.offline_grace else None,
            "how to withdraw": consent.withdrawal_method,
            "stored in": consent.storage_locations,
            "ended": consent.end_time,
            "because": consent.end_reason,
        }
    )


def show_leases(leases: "Sequence[Lease]") -> None:
    """One line each."""
    if not leases:
        click.echo("There are no leases.")
        return
    rows = [
        (
            short(lease.name),
            short(lease.device),
            lease.artifact.rpartition("/")[2][:16],
            _words(lease.kind),
            "live" if lease.live else "ended",
            moment(lease.expire_time),
            span_text(lease.max_staleness),
        )
        for lease in leases
    ]
    print_table(("LEASE", "DEVICE", "ARTIFACT", "KIND", "STATE", "UNTIL", "STALE AFTER"), rows)


def _words(kind: str) -> str:
    """As it is written on the command line."""
    return kind.lower().replace("_", "-")
