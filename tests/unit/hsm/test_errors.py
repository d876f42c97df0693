import inspect

from hsm import errors
from hsm.errors import ERRORS_BY_CODE, HsmError


def test_every_error_has_a_code_of_its_own_and_is_in_the_table() -> None:
    classes = {item for _, item in inspect.getmembers(errors, inspect.isclass) if issubclass(item, HsmError)}
    assert classes == set(ERRORS_BY_CODE.values())
    assert all(error.code == code for code, error in ERRORS_BY_CODE.items())


def test_errors_that_need_an_operator_are_not_retryable() -> None:
    retryable = {error.__name__ for error in ERRORS_BY_CODE.values() if error.retryable}
    assert retryable == {
        "TokenUnavailable",
        "TokenNotFound",
        "LibraryAway",
        "PinAway",
        "CircuitOpen",
        "HsmTimeout",
        "HsmBusy",
    }


def test_the_module_text_draws_the_whole_tree() -> None:
    assert all(error.__name__ in (errors.__doc__ or "") for error in ERRORS_BY_CODE.values())
