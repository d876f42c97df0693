"""Policy digests are those that a TPM computes for the same commands."""

from collections.abc import Iterator

import pytest

from hallmark_client.device.roots.tpm2 import Tpm2Root
from hallmark_client.device.roots.tpm2.chip import Reached
from hallmark_client.device.roots.tpm2.policies import (
    Authorized,
    ClockBefore,
    CounterIs,
    NeverWritten,
    PolicyStep,
    Registers,
    UseCounted,
    digest_of,
)
from support.real_tpm import needs_real_tpm
from support.swtpm import needs_tpm_driver
from support.swtpm_root import TpmRootBench, tpm_root_bench


@pytest.fixture(scope="module")
def bench() -> Iterator[TpmRootBench]:
    with tpm_root_bench() as bench:
        yield bench


@pytest.fixture
def root(bench: TpmRootBench) -> Tpm2Root:
    return bench.open()


def said_by_the_tpm(here: Reached, steps: list[PolicyStep]) -> bytes:
    """What a trial session comes to, with the counter of the root as the index of every command."""
    tss, esapi = here.connection.tss, here.connection.esapi
    null, none = tss.TPMT_SYM_DEF(algorithm=tss.TPM2_ALG.NULL), tss.ESYS_TR.NONE
    trial = here.connection.keep(esapi.start_auth_session(none, none, tss.TPM2_SE.TRIAL, null, tss.TPM2_ALG.SHA256))
    counter = here.counter()
    for step in steps:
        here.connection.satisfy(trial, step, index=counter, authorized_by=here.session)
    return bytes(esapi.policy_get_digest(trial))


def one_of_each(here: Reached) -> list[PolicyStep]:
    name, pcrs = here.chip.state.name, (0, 7, 16, 23)
    return [
        CounterIs(name, 2**40 + 1),
        Registers(pcrs, here.registers_sha256(pcrs)),
        ClockBefore(2**33 + 5),
        Authorized(),
        UseCounted(name),
        NeverWritten(),
    ]


@pytest.mark.parametrize("place", range(6))
@needs_real_tpm
@needs_tpm_driver
def test_each_command(root: Tpm2Root, place: int) -> None:
    with root.chip.reached() as here:
        step = one_of_each(here)[place]
        assert digest_of([step]) == said_by_the_tpm(here, [step])


@needs_real_tpm
@needs_tpm_driver
def test_all_of_them_in_a_row(root: Tpm2Root) -> None:
    with root.chip.reached() as here:
        steps = one_of_each(here)
        assert digest_of(steps) == said_by_the_tpm(here, steps)
        assert digest_of(steps[::-1]) != digest_of(steps)


def test_without_a_tpm_too() -> None:
    """PolicyAuthValue has no operands: the digest is one that everybody knows."""
    known = "8fcd2169ab92694e0c633f1ab772842b8241bbc20288981fc7ac1eddc1fddb0e"
    assert digest_of([Authorized()]).hex() == known
    assert digest_of([]) == bytes(32)
