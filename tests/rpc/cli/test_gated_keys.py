"""Attestation gates from the command line."""

from pathlib import Path

from rpc.wire import fresh_name
from support.service import RunningService


def _enrol(service: RunningService) -> str:
    with service.client("device") as client:
        challenge = client.devices.create_challenge()
        chain = [part.data for part in service.phone.generate_key(challenge.challenge).evidence.parts]
        answer = client.devices.attest(challenge.name, chain)
    assert answer.device is not None
    return answer.device.name.rpartition("/")[2]


def test_a_key_for_attested_devices_from_creation_to_removal(service: RunningService, hallmark, tmp_path: Path) -> None:
    name, device, file = fresh_name(), _enrol(service), tmp_path / "report.json"
    file.write_text("{}")
    created = hallmark(
        "keys", "create", name, "--gate-level", "tee", "--gate-max-age", "12h", "--gate-format", "android-key", "--json"
    )
    gate = created.document["attestation_gate"]
    assert (gate["minimum_level"], gate["formats"], gate["max_verdict_age"]) == ("TEE", ["ANDROID_KEY"], 43_200)
    shown = hallmark("keys", "show", name).out
    assert "level tee or better; challenged within 12h; named by admins and backends" in shown
    refused = hallmark("sign", str(file), "--key", name)
    assert (refused.code, "hallmark devices list" in refused.err) == (3, True)
    signed = hallmark("sign", str(file), "--key", name, "--device", device)
    assert signed.code == 0, signed.err
    narrower = hallmark("keys", "update", name, "--gate-class", "factory", "--json").document["attestation_gate"]
    assert (narrower["device_classes"], narrower["minimum_level"]) == (["FACTORY"], "TEE"), "the rest stays"
    refused = hallmark("sign", str(file), "--key", name, "--device", device)
    assert (refused.code, "class factory" in refused.err) == (3, True)
    rehearsed = hallmark("keys", "update", name, "--no-gate", "--validate-only")
    assert "attestation_gate" in rehearsed.out
    assert hallmark("keys", "update", name, "--no-gate", "--json").document["attestation_gate"] is None
    assert hallmark("sign", str(file), "--key", name).code == 0


def test_envelopes_take_a_device(service: RunningService, hallmark, tmp_path: Path) -> None:
    name, device, file = fresh_name(), _enrol(service), tmp_path / "events.json"
    file.write_text("{}")
    hallmark("keys", "create", name, "--purpose", "envelope", "--gate")
    assert "with --device ID" in hallmark("envelope", "seal", str(file), "--key", name).out
    sealed = f"{file}.sealed"
    assert hallmark("envelope", "open", sealed).code == 3
    assert hallmark("envelope", "open", sealed, "--device", device).out == "{}"
    output = str(tmp_path / "disk.key.sealed")
    assert hallmark("envelope", "data-key", name, "--output", output, "--device", device).code == 0


def test_the_next_command_names_the_device(hallmark) -> None:
    created = hallmark("keys", "create", name := fresh_name(), "--gate-level", "tee")
    assert created.out.endswith(f"Next: hallmark sign FILE --key {name} --device ID\n")
    assert "--device" not in hallmark("keys", "create", fresh_name()).out


def test_what_does_not_go_together(hallmark) -> None:
    both = hallmark("keys", "create", fresh_name(), "--no-gate", "--gate-level", "tee")
    assert (both.code, "--no-gate" in both.err) == (2, True)
    assert hallmark("keys", "create", fresh_name(), "--gate-measurement", "PCR0=xyz").code == 2
    assert "--gate-max-age" in hallmark("keys", "create", "--help").out
