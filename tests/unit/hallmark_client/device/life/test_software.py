from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.formats import software
from attestation.model import Evidence, Expectation, Format, Part
from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.life.software import SoftwareAttester
from hallmark_client.model.devices import Challenge
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat

CHALLENGE = Challenge(
    name="c",
    challenge=bytes(range(32)),
    expire_time=datetime(2026, 11, 22, tzinfo=UTC),
    purpose=ChallengePurpose.SOFTWARE_SEALED,
    key_spki=b"",
)


def test_the_services_own_reader_finds_the_key_and_the_challenge() -> None:
    key = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))
    attester = SoftwareAttester(model="bench", software="tests")
    proof = attester.prove(CHALLENGE, key)
    assert (proof.challenge, proof.evidence.format) == (CHALLENGE.challenge, EvidenceFormat.SOFTWARE)
    parts = tuple(Part(name, data) for name, data in proof.evidence.parts)
    found = software.read(Evidence(Format.SOFTWARE, parts))
    assert (found.spki, found.nonce, found.model, found.software) == (key.spki, bytes(range(32)), "bench", "tests")
    found.message.verify(key.spki, algorithms={found.message.algorithm()})
    assert Expectation(CHALLENGE.challenge, key.spki).challenge_matches(found.nonce)


def test_it_says_that_nothing_vouches() -> None:
    attester = SoftwareAttester()
    assert attester.purpose is ChallengePurpose.SOFTWARE_SEALED
    assert attester.key() is None
    assert attester.tpm_keys() is None
