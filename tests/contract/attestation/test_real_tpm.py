"""A software TPM that others wrote (swtpm, through tpm2-tools): it opens our credentials, and we believe its word.

Skipped where the two are not installed; nothing else needs them.
"""

import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation import Anchors, Collateral, Expectation, Policy, Reason, verify
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import certify, quote, tpm_evidence
from attestation.tpm_collateral import ClockRecord, TpmCollateral
from attestation.tpm_credential import make_credential
from attestation.tpm_structures import parse_attest, parse_public
from support.real_tpm import Tpm, needs_real_tpm, running_tpm

CERTIFY_CHALLENGE = bytes.fromhex("00ff55aa")  # tpm2_certify 5 takes none and always sends this one
NOW = datetime(2026, 6, 1, tzinfo=UTC)

pytestmark = needs_real_tpm


@pytest.fixture(scope="module")
def tpm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tpm]:
    with running_tpm(Path(tmp_path_factory.mktemp("tpm"))) as tpm:
        yield tpm


@pytest.fixture(scope="module", params=["rsa", "ecc"])
def keys(tpm: Tpm, request: pytest.FixtureRequest) -> str:
    """EK and AK of one algorithm."""
    tpm.make_keys(request.param)
    return request.param


def judge(evidence, tpm: Tpm, kind: str, *, challenge: bytes, spki: bytes | None = None, previous=None):
    names = frozenset({tpm.file(f"{kind}.ak.name"), parse_public(tpm.public(f"{kind}.ek.pub")).name})
    collateral = Collateral(
        tpm=TpmCollateral(
            enrolled_names=names,
            previous=previous,
            credential_name=tpm.file(f"{kind}.ak.name"),
            credential_ek=parse_public(tpm.public(f"{kind}.ek.pub")).spki,
        )
    )
    return verify(
        evidence,
        expectation=Expectation(challenge, spki),
        anchors=Anchors(()),
        collateral=collateral,
        policy=Policy(),
        at=NOW,
    )


def test_it_opens_a_credential_and_the_verdict_enrols_the_ak(tpm, keys):
    secret = secrets.token_bytes(32)
    ek, ak = (parse_public(tpm.public(f"{keys}.{key}.pub")) for key in ("ek", "ak"))
    assert ak.name == tpm.file(f"{keys}.ak.name")
    credential = make_credential(ek.spki, name=ak.name, secret=secret, entropy=secrets.token_bytes)
    opened = tpm.activate(keys, credential.to_file())
    assert opened == secret
    parts = {
        tpm_parts.EK_PUBLIC: ek.encoded,
        tpm_parts.AK_PUBLIC: ak.encoded,
        tpm_parts.ID_OBJECT: credential.id_object,
        tpm_parts.ENCRYPTED_SECRET: credential.encrypted_secret,
        tpm_parts.ACTIVATED_SECRET: opened,
    }
    verdict = judge(tpm_evidence(parts), tpm, keys, challenge=secret)
    assert verdict.appraised, verdict.findings


def test_it_does_not_open_a_credential_for_another_ak(tpm, keys):
    ek, ak = (parse_public(tpm.public(f"{keys}.{key}.pub")) for key in ("ek", "ak"))
    other = ak.name[:-1] + bytes([ak.name[-1] ^ 1])
    credential = make_credential(ek.spki, name=other, secret=b"secret", entropy=secrets.token_bytes)
    with pytest.raises(subprocess.CalledProcessError):
        tpm.activate(keys, credential.to_file())


def test_its_quotes_are_believed(tpm, keys):
    tpm.run("tpm2_pcrextend", "16:sha256=" + "5a" * 32)
    tpm.run(
        "tpm2_quote", "-c", f"{keys}.ak.ctx", "-l", "sha256:0,16+sha1:3", "-q", b"nonce".hex(), "-m", "quote",
        "-s", "signature",
    )  # fmt: skip
    for bank, index in (("sha256", 0), ("sha256", 16), ("sha1", 3)):
        tpm.run("tpm2_pcrread", f"{bank}:{index}", "-o", f"{bank}.{index}")
    tpm.run("tpm2_flushcontext", "-t")
    registers = {
        "sha256": {index: tpm.file(f"sha256.{index}") for index in (0, 16)},
        "sha1": {3: tpm.file("sha1.3")},
    }
    ak = tpm.public(f"{keys}.ak.pub")
    evidence = quote(attest=tpm.file("quote"), signature=tpm.file("signature"), ak_public=ak, registers=registers)
    verdict = judge(evidence, tpm, keys, challenge=b"nonce")
    assert verdict.authentic
    assert verdict.reasons == (Reason.WEAK_HASH,)  # the SHA-1 bank
    clock = parse_attest(tpm.file("quote")).clock
    behind = ClockRecord(clock.clock, clock.reset_count + 1, 0)
    assert Reason.CLOCK_ROLLED_BACK in judge(evidence, tpm, keys, challenge=b"nonce", previous=behind).reasons
    swapped = {**registers, "sha256": {0: registers["sha256"][16], 16: registers["sha256"][0]}}
    forged = quote(attest=tpm.file("quote"), signature=tpm.file("signature"), ak_public=ak, registers=swapped)
    assert judge(forged, tpm, keys, challenge=b"nonce").reasons[0] is Reason.PCR_DIGEST_MISMATCH


def test_a_key_that_it_certifies_can_be_enrolled(tpm, keys):
    tpm.run("tpm2_createprimary", "-C", "o", "-c", "primary.ctx")
    tpm.run(
        "tpm2_create", "-C", "primary.ctx", "-G", "ecc256:ecdsa", "-c", "app.ctx", "-u", "app.pub", "-r", "app.priv"
    )
    tpm.run("tpm2_flushcontext", "-t")
    tpm.run("tpm2_certify", "-C", f"{keys}.ak.ctx", "-c", "app.ctx", "-g", "sha256", "-o", "certify", "-s", "signature")
    tpm.run("tpm2_flushcontext", "-t")
    app = parse_public(tpm.public("app.pub"))
    evidence = certify(
        attest=tpm.file("certify"), signature=tpm.file("signature"), ak_public=tpm.public(f"{keys}.ak.pub"),
        certified_public=app.encoded,
    )  # fmt: skip
    verdict = judge(evidence, tpm, keys, challenge=CERTIFY_CHALLENGE, spki=app.spki)
    assert verdict.appraised, verdict.findings
    assert verdict.claims.key.spki == app.spki
    another = replace(evidence, parts=tuple(part for part in evidence.parts if part.name != tpm_parts.CERTIFIED_PUBLIC))
    assert judge(another, tpm, keys, challenge=CERTIFY_CHALLENGE).reasons[0] is Reason.WRONG_TYPE


@pytest.mark.parametrize(
    ("kind", "digest", "scheme"),
    [
        ("rsa", "sha256", "rsapss"),
        ("rsa", "sha384", "rsassa"),
        ("ecc384", "sha384", "ecdsa"),
        ("ecc521", "sha512", "ecdsa"),
    ],
)
def test_other_algorithms_are_believed(tpm, kind, digest, scheme):
    tpm.run("tpm2_createek", "-G", "ecc", "-c", "any.ek.ctx", "-u", "any.ek.pub")
    tpm.run(
        "tpm2_createak", "-C", "any.ek.ctx", "-c", "any.ak.ctx", "-G", kind, "-g", digest, "-s", scheme,
        "-u", "any.ak.pub", "-n", "any.ak.name",
    )  # fmt: skip
    tpm.run("tpm2_flushcontext", "-t")
    tpm.run(
        "tpm2_quote", "-c", "any.ak.ctx", "-l", "sha384:23", "-q", b"nonce".hex(), "-m", "quote", "-s", "signature",
        "-g", digest, "--scheme", scheme,
    )  # fmt: skip
    tpm.run("tpm2_pcrread", "sha384:23", "-o", "value")
    tpm.run("tpm2_flushcontext", "-t")
    evidence = quote(
        attest=tpm.file("quote"), signature=tpm.file("signature"), ak_public=tpm.public("any.ak.pub"),
        registers={"sha384": {23: tpm.file("value")}},
    )  # fmt: skip
    verdict = judge(evidence, tpm, "any", challenge=b"nonce")
    assert verdict.appraised, verdict.findings
