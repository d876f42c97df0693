"""`hallmark hsm doctor`: is the token usable, and what is to be done about it."""

import asyncio
from typing import TYPE_CHECKING, Any

import click

from kms.cli.failure import ExitCode
from kms.cli.hsm.home import home_options
from kms.cli.invocation import json_option
from kms.cli.output import print_json
from kms.config import Config

if TYPE_CHECKING:
    from hsm.provider import EngineFact, HsmCapabilities
    from kms.app.token_examination import Examination


@click.command()
@home_options(signers=1)
@json_option
def doctor(config: Config, as_json: bool) -> None:
    """Examine the token of a home folder: does it sign, how, and what is to be done.

    Starts one signer process of its own, beside those of a server that may be running, and makes a real signature with
    a key that exists only for that. Ends with 0 when the token is usable, with 1 when it is not.

    \b
    Example:  hallmark hsm doctor --json
    Then:     hallmark bench sign
    """
    from kms.app.token_examination import examine

    examination = asyncio.run(examine(config))
    if as_json:
        print_json(_document(examination))
    else:
        _tell(examination)
    if not examination.usable:
        click.get_current_context().exit(ExitCode.NOT_SO)


def _tell(examination: "Examination") -> None:
    width = max(len(finding.check) for finding in examination.findings)
    for finding in examination.findings:
        click.echo(f"{finding.level:<8} {finding.check:<{width}}  {finding.says}")
        if finding.advice:
            click.echo(f"{'':<8} {'':<{width}}  -> {finding.advice}")
    capabilities = examination.capabilities
    for engine in capabilities.engines if capabilities else ():
        click.echo(f"{'':<8} {'engine':<{width}}  {engine.name} {engine.version}: {_race(engine)}")
    click.echo("The token is usable." if examination.usable else "The token is not usable.")


def _race(engine: "EngineFact") -> str:
    if engine.refused_because is not None:
        return "refused"
    if engine.signs_per_second is None:
        return "passed its tests, was not raced"
    return f"{engine.signs_per_second:.0f} ML-DSA-65 signatures a second on one core"


def _document(examination: "Examination") -> dict[str, Any]:
    health = examination.health
    return {
        "usable": examination.usable,
        **_token(examination.capabilities),
        "self_test": None
        if health is None
        else {
            "signed": health.workers_ready,
            "processes": health.workers,
            "slowest_ms": round(health.slowest_probe_ms, 3),
        },
        "slots": [
            {
                "number": slot.number,
                "state": slot.state.value,
                "starts": slot.starts,
                "probe_ms": slot.probe_ms and round(slot.probe_ms, 3),
                "problem": slot.problem,
            }
            for slot in examination.slots
        ],
        "key_encryption_keys": [
            {"id": kek.kek_id.hex(), "generation": kek.generation, "newest": kek.newest} for kek in examination.keks
        ],
        "findings": [
            {"check": finding.check, "level": finding.level.value, "says": finding.says, "advice": finding.advice}
            for finding in examination.findings
        ],
    }


def _token(capabilities: "HsmCapabilities | None") -> dict[str, Any]:
    if capabilities is None:
        return {"module": None, "token": None, "mechanisms": [], "protection": None, "engines": []}
    return {
        "module": {"path": capabilities.module, "version": capabilities.module_version},
        "token": {
            "label": capabilities.token_label,
            "serial": capabilities.token_serial,
            "model": capabilities.token_model,
            "manufacturer": capabilities.token_manufacturer,
        },
        "mechanisms": list(capabilities.mechanisms),
        "protection": {
            "classical": capabilities.classical_protection.value,
            "post_quantum": capabilities.post_quantum_protection.value,
            "native_parameter_sets": [item.value for item in capabilities.native_parameter_sets],
            "sealed_because": capabilities.native_reason or None,
        },
        "engines": [
            {
                "name": engine.name,
                "version": engine.version,
                "signs": engine.name == capabilities.signing_engine,
                "verifies_releases": engine.name == capabilities.verifying_engine,
                "signatures_per_second": engine.signs_per_second and round(engine.signs_per_second, 1),
                "refused_because": engine.refused_because,
            }
            for engine in capabilities.engines
        ],
    }
