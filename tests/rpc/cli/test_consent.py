"""`hallmark consent` against the real service."""

import hashlib
import json
from pathlib import Path

import pytest

from support.service import RunningService

GRANT = ("consent", "grant", "--controller", "https://bank.example", "--purpose", "dpv:IdentityVerification")


@pytest.fixture
def artifact(tmp_path: Path) -> str:
    (tmp_path / "model.bin").write_bytes(b"weights")
    return "model.bin"


@pytest.fixture
def device(service: RunningService) -> str:
    with service.client("backend") as backend:
        challenge = backend.devices.create_challenge()
        key = service.phone.generate_key(challenge.challenge)
        chain = tuple(part.data for part in key.evidence.parts)
        found = backend.devices.attest(challenge.name, chain, key_spki=key.spki).device
    assert found is not None
    return found.name.rpartition("/")[2]


def test_the_whole_life(hallmark, tmp_path: Path, artifact: str, device: str) -> None:
    granted = hallmark(
        *GRANT, "--subject", "alice", "--artifact", artifact, "--kind", "model-weights", "--device", device,
        "--removal-time", "2h", "--validity", "30d", "--lease", "1h", "--json",
    )  # fmt: skip
    assert granted.code == 0, granted.err
    consent = granted.document["consent"]
    name = consent["name"].rpartition("/")[2]
    assert consent["removal_time"] == 7200
    assert consent["artifacts"][0]["artifact"].endswith(hashlib.sha256(b"weights").hexdigest())
    shown = hallmark("consent", "get", name)
    assert "GIVEN (revision 1)" in shown.out
    assert "removal within  2h" in shown.out
    leases = hallmark("consent", "leases", "--consent", name)
    assert (leases.out.count("live"), "model-weights" in leases.out) == (1, True)
    renewed = hallmark("consent", "renew", name, "--validity", "60d")
    assert renewed.out.startswith(f"consents/{name} holds until ")
    withdrawn = hallmark("consent", "withdraw", name, "--reason", "moved away")
    assert "is withdrawn. Nothing is usable any more by " in withdrawn.out
    assert withdrawn.out.count("asked for: removals/") == 1
    again = hallmark("consent", "withdraw", name)
    assert "was withdrawn before" in again.out
    refused = hallmark("consent", "renew", name)
    assert (refused.code, "is WITHDRAWN, and that is for ever" in refused.err) == (3, True)
    leases = hallmark("consent", "leases", "--device", device, "--json").document["leases"]
    assert [lease["live"] for lease in leases] == [False]


def test_a_receipt_for_the_person(hallmark, tmp_path: Path, artifact: str) -> None:
    granted = hallmark(*GRANT, "--subject", "bob", "--artifact", artifact, "--how-to-withdraw", "Call us")
    assert granted.code == 0, granted.err
    assert "hallmark consent receipt consents/" in granted.out
    name = granted.out.split("hallmark consent receipt consents/")[1].split()[0]
    written = hallmark("consent", "receipt", name, "--output", "receipt.html")
    assert (written.code, "the signature by tenants/system/keys/revocation-events" in written.out) == (0, True)
    assert "Call us." in (tmp_path / "receipt.html").read_text()
    assert hallmark("consent", "receipt", name, "-o", "receipt.json").code == 0
    payload = (tmp_path / "receipt.json").read_text()
    assert json.loads(payload)["record"]["record_id"].endswith(name)
    assert hallmark("consent", "receipt", name).out == payload + "\n"


def test_a_lease_for_a_device(hallmark, artifact: str, device: str) -> None:
    granted = hallmark(*GRANT, "--subject", "carol", "--artifact", artifact, "--json")
    name = granted.document["consent"]["name"].rpartition("/")[2]
    lease = hallmark("consent", "acquire", name, "--artifact", artifact, "--device", device, "--json")
    assert lease.code == 0, lease.err
    assert lease.document["live"] is True
    assert "live" in hallmark("consent", "acquire", name, "--artifact", artifact, "--device", device).out


def test_lists(hallmark, artifact: str) -> None:
    hallmark(*GRANT, "--subject", "dora", "--artifact", artifact)
    person = ("--subject", "dora", "--controller", "https://bank.example")
    listed = hallmark("consent", "list", *person)
    assert (listed.code, "dpv:IdentityVerification" in listed.out) == (0, True)
    assert len(hallmark("consent", "list", *person, "--state", "given", "--json").document["consents"]) == 1
    assert hallmark("consent", "list", *person, "--state", "expired").out == "There are no such consents.\n"
    assert hallmark("consent", "list", "--subject", "dora").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("get", "12"), 2, "is not the ID of a consent"),
        (("get", "01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e"), 3, "was not found"),
        (("renew", "01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e", "--validity", "soon"), 2, "is not a length of time"),
        (("acquire", "01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e", "--artifact", "none"), 2, "neither a file nor"),
    ],
)
def test_mistakes_are_explained(hallmark, arguments: tuple[str, ...], code: int, words: str) -> None:
    ran = hallmark("consent", *arguments)
    assert (ran.code, words in ran.err) == (code, True), ran.err


def test_a_lease_that_is_longer_than_the_promise(hallmark, artifact: str) -> None:
    ran = hallmark(*GRANT, "--subject", "eve", "--artifact", artifact, "--removal-time", "1h", "--lease", "2h")
    assert (ran.code, "lease_terms.duration" in ran.err) == (3, True)
