"""TPM2_NV_Certify of a counter: what is believed, and what is not although it is signed."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.testing.tpm_wire import AK_ATTRIBUTES, APP_KEY_ATTRIBUTES, name_of, sized, u16
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker, rsa_key
from attestation.tpm_nv import ATTEST_NV, CertifiedCounter, check_counter, parse_nv_public, parse_nv_statement
from attestation.tpm_public import TpmPublic, parse_public
from attestation.tpm_reader import TpmAlgorithm
from support.clock import START
from support.real_tpm import Tpm, needs_real_tpm, running_tpm

DATA = bytes(range(32))
COUNTER = 1 << 4
ORDINARY = 0
WRITTEN = 1 << 29
INDEX = 0x0180_0001


def nv_public(
    attributes: int = COUNTER | WRITTEN, *, index: int = INDEX, size: int = 8, algorithm: int = TpmAlgorithm.SHA256
) -> bytes:
    return index.to_bytes(4) + u16(algorithm) + attributes.to_bytes(4) + sized(b"") + u16(size)


def nv_name(public: bytes) -> bytes:
    """The name is over the whole area, as for objects, whose name algorithm stands elsewhere."""
    return parse_nv_public(public).name


def certify_info(public: bytes, contents: bytes, *, offset: int = 0) -> bytes:
    return sized(nv_name(public)) + u16(offset) + sized(contents)


def count(value: int) -> bytes:
    return value.to_bytes(8)


@pytest.fixture(scope="module")
def tpm() -> VirtualTpm:
    return VirtualTpm.create(VirtualTpmMaker.create(now=START))


def check(tpm: VirtualTpm, attested: bytes, *, public: bytes | None = None, kind: int = ATTEST_NV) -> CertifiedCounter:
    message, signature = tpm.state(kind, attested, DATA)
    return check_counter(
        statement=message,
        signature=signature,
        nv_public=public or nv_public(),
        ak=parse_public(tpm.ak_public),
        qualifying_data=DATA,
    )


def refused(reason: Reason, tpm: VirtualTpm, attested: bytes, **how: object) -> None:
    with pytest.raises(EvidenceError) as error:
        check(tpm, attested, **how)  # type: ignore[arg-type]
    assert error.value.reason is reason, error.value.detail


@pytest.mark.parametrize("algorithm", [TpmAlgorithm.SHA256, TpmAlgorithm.SHA384])
def test_a_counter_is_believed(tpm: VirtualTpm, algorithm: int) -> None:
    public = nv_public(algorithm=algorithm)
    found = check(tpm, certify_info(public, count(7)), public=public)
    assert found == CertifiedCounter(INDEX, nv_name(public), 7)


def test_an_rsa_key_certifies_too(tpm: VirtualTpm) -> None:
    rsa = replace(tpm, ak=rsa_key())
    assert check(rsa, certify_info(nv_public(), count(2**64 - 1))).value == 2**64 - 1


def test_the_name_is_that_of_a_tpm() -> None:
    """Part 1, 16: nameAlg || H(TPMS_NV_PUBLIC), as for objects."""
    public = nv_public()
    as_object = bytes(2) + u16(TpmAlgorithm.SHA256)  # where the area of an object has its name algorithm
    assert nv_name(public)[:2] == name_of(as_object)[:2]
    assert len(nv_name(public)) == 2 + 32


def test_an_ordinary_index_is_no_counter(tpm: VirtualTpm) -> None:
    """Anybody may write any number into it."""
    for attributes in (ORDINARY | WRITTEN, 2 << 4 | WRITTEN, COUNTER):
        public = nv_public(attributes)
        refused(Reason.BINDING_MISMATCH, tpm, certify_info(public, count(7)), public=public)
    public = nv_public(size=16)
    refused(Reason.BINDING_MISMATCH, tpm, certify_info(public, count(7)), public=public)


def test_another_index_than_the_one_described(tpm: VirtualTpm) -> None:
    refused(Reason.NAME_MISMATCH, tpm, certify_info(nv_public(index=INDEX + 1), count(7)))


def test_a_part_of_a_counter_is_none(tpm: VirtualTpm) -> None:
    refused(Reason.BINDING_MISMATCH, tpm, certify_info(nv_public(), count(7)[4:], offset=4))
    refused(Reason.BINDING_MISMATCH, tpm, certify_info(nv_public(), count(7)[:7]))
    refused(Reason.BINDING_MISMATCH, tpm, certify_info(nv_public(), count(7), offset=1))


def test_other_data_than_these(tpm: VirtualTpm) -> None:
    message, signature = tpm.state(ATTEST_NV, certify_info(nv_public(), count(7)), bytes(32))
    ak = parse_public(tpm.ak_public)
    with pytest.raises(EvidenceError) as error:
        check_counter(statement=message, signature=signature, nv_public=nv_public(), ak=ak, qualifying_data=DATA)
    assert error.value.reason is Reason.CHALLENGE_MISMATCH


def test_another_kind_of_statement(tpm: VirtualTpm) -> None:
    refused(Reason.WRONG_TYPE, tpm, certify_info(nv_public(), count(7)), kind=0x8018)


def test_bytes_that_no_tpm_made(tpm: VirtualTpm) -> None:
    refused(Reason.BAD_SIGNATURE, tpm.changed(magic=0x01020304), certify_info(nv_public(), count(7)))


def test_a_key_that_signs_anything_proves_nothing(tpm: VirtualTpm) -> None:
    refused(Reason.AK_NOT_RESTRICTED, tpm.with_ak(attributes=APP_KEY_ATTRIBUTES), certify_info(nv_public(), count(7)))
    assert check(tpm.with_ak(attributes=AK_ATTRIBUTES), certify_info(nv_public(), count(7))).value == 7


def test_sha1_is_too_weak(tpm: VirtualTpm) -> None:
    weak = tpm.with_ak(scheme_hash=TpmAlgorithm.SHA1)
    refused(Reason.WEAK_HASH, weak, certify_info(nv_public(), count(7)))


def test_the_signature_of_another_key(tpm: VirtualTpm) -> None:
    other = VirtualTpm.create(tpm.maker)
    message, signature = other.state(ATTEST_NV, certify_info(nv_public(), count(7)), DATA)
    ak = parse_public(tpm.ak_public)
    with pytest.raises(EvidenceError) as error:
        check_counter(statement=message, signature=signature, nv_public=nv_public(), ak=ak, qualifying_data=DATA)
    assert error.value.reason is Reason.BAD_SIGNATURE


def test_cut_and_lengthened_bytes_are_malformed(tpm: VirtualTpm) -> None:
    message, _ = tpm.state(ATTEST_NV, certify_info(nv_public(), count(7)), DATA)
    for at in range(len(message)):
        with pytest.raises(EvidenceError):
            parse_nv_statement(message[:at])
    with pytest.raises(EvidenceError):
        parse_nv_statement(message + b"\0")
    public = nv_public()
    for at in range(len(public)):
        with pytest.raises(EvidenceError):
            parse_nv_public(public[:at])
    for foreign in (public + b"\0", nv_public(index=0x8100_0001), nv_public(algorithm=0x7777)):
        with pytest.raises(EvidenceError):
            parse_nv_public(foreign)


@needs_real_tpm
@pytest.mark.skipif(shutil.which("tpm2_nvcertify") is None, reason="tpm2-tools has no tpm2_nvcertify here")
def test_a_tpm_of_others_certifies_its_counter(tmp_path: Path) -> None:
    """Swtpm and tpm2-tools: index defined, counted twice, certified, and an ordinary index beside it."""
    with running_tpm(tmp_path) as real:
        real.make_keys("ecc")
        ak = parse_public(real.public("ecc.ak.pub"))
        real.run("tpm2_nvdefine", "0x1800001", "-C", "o", "-a", "ownerread|ownerwrite|authread|authwrite|nt=counter")
        for _ in range(2):
            real.run("tpm2_nvincrement", "0x1800001", "-C", "o")
        real.run("tpm2_nvdefine", "0x1800002", "-C", "o", "-s", "8", "-a", "ownerread|ownerwrite|authread|authwrite")
        (tmp_path / "number").write_bytes(count(99))
        real.run("tpm2_nvwrite", "0x1800002", "-C", "o", "-i", "number")
        found = _certified(real, ak, 0x0180_0001)
        first = found.value
        assert first >= 2
        real.run("tpm2_nvincrement", "0x1800001", "-C", "o")
        assert _certified(real, ak, 0x0180_0001).value == first + 1
        with pytest.raises(EvidenceError) as error:
            _certified(real, ak, 0x0180_0002)
        assert error.value.reason is Reason.BINDING_MISMATCH


def _certified(real: Tpm, ak: TpmPublic, index: int) -> CertifiedCounter:
    handle = f"0x{index:x}"
    arguments = ("-g", "sha256", "-C", "ecc.ak.ctx", "-c", "o", "-q", DATA.hex(), "--size", "8", "--offset", "0")
    real.run("tpm2_nvcertify", *arguments, "-o", "nv.sig", "--attestation", "nv.attest", handle)
    real.run("tpm2_flushcontext", "-t")
    attributes = _attributes(real, handle)
    return check_counter(
        statement=real.file("nv.attest"),
        signature=real.file("nv.sig"),
        nv_public=nv_public(attributes, index=index),
        ak=ak,
        qualifying_data=DATA,
    )


def _attributes(real: Tpm, handle: str) -> int:
    """As TPM2_NV_ReadPublic tells them."""
    told = subprocess.run(
        ["tpm2_nvreadpublic", handle],
        env=real.environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout
    (value,) = re.findall(r"attributes:\s+friendly: \S+\s+value: 0x([0-9A-Fa-f]+)", told)
    return int(value, 16)
