"""Which error a response code becomes."""

import pytest

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.roots.tpm2.failures import Code, code_of, failure_of, is_about_arguments

RESOURCE_MANAGER = 0x000C0000


class Said(Exception):
    def __init__(self, rc: int) -> None:
        super().__init__(f"0x{rc:x}")
        self.rc = rc


@pytest.mark.parametrize(
    ("rc", "code"),
    [
        (0x98E, Code.AUTH_FAIL),  # of session 1
        (0x9A2, Code.BAD_AUTH),
        (0x1DF, Code.INTEGRITY),  # of parameter 1
        (0x99D, Code.POLICY_FAIL),
        (0x921, Code.LOCKOUT),
        (0x12F, Code.AUTH_UNAVAILABLE),
        (RESOURCE_MANAGER | 0x902, Code.OBJECT_MEMORY),
        (0x000A000A, None),  # the TCTI
        (0x00070001, None),  # the ESAPI
    ],
)
def test_codes_without_their_place(rc: int, code: Code | None) -> None:
    assert code_of(Said(rc)) == code


def test_what_is_lost_and_what_only_is_not_there() -> None:
    assert isinstance(failure_of(Said(0x1DF), "tcti"), RootLost)
    for rc, words in (
        (0x000A000A, "no TPM at tcti"),
        (0x0007000A, "no TPM at tcti"),
        (0x921, "is locked"),
        (0x98E, "is wrong"),
        (0x14B, "no room for another NV index"),
        (0x902, "no room for another object"),
        (0x123, "0x123"),
        (0x00070001, "0x70001"),
    ):
        error = failure_of(Said(rc), "tcti")
        assert isinstance(error, RootUnavailable)
        assert words in str(error)


def test_a_passing_state_is_no_fault_of_the_arguments() -> None:
    """Otherwise a busy TPM would be taken for a lost one."""
    assert is_about_arguments(Said(0x1DF))
    assert is_about_arguments(Said(0x1D5))  # TPM_RC_SIZE
    for passing in (0x902, 0x903, 0x908, 0x920, 0x921, 0x922, 0x923, 0x90A, 0x101, 0x000A000A):
        assert not is_about_arguments(Said(passing))
