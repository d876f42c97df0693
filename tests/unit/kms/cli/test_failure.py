import errno
import json

import click
import grpc
import pytest

from attestation.errors import ArgumentError, CollateralError, EvidenceError
from hallmark_client import errors as client
from hallmark_client.device import errors as device
from hallmark_client.device.policy.errors import PolicyInvalid
from hallmark_composite import InvalidSignature
from hallmark_tlog import errors as tlog
from hsm.errors import ModuleNotFound
from kms.cli.failure import CommandError, ExitCode, explain, not_so, report
from kms.cli.invocation import Invocation
from kms.config import ConfigError
from kms.server.home import HomeInUse

CASES = [
    (client.SignatureInvalid("SIGNATURE_INVALID", "no"), ExitCode.NOT_SO),
    (client.VerificationFailed("EVENT_INVALID", "no"), ExitCode.NOT_SO),
    (client.ManifestMismatch(changed=["a"], missing=[], extra=[]), ExitCode.NOT_SO),
    (client.ManifestInvalid("MANIFEST_MALFORMED", "no"), ExitCode.NOT_USABLE),
    (client.ProfileInvalid("PROFILE_MISSING", "no"), ExitCode.NOT_USABLE),
    (client.NotFound("RESOURCE_NOT_FOUND", "no"), ExitCode.SERVER_SAYS_NO),
    (client.PermissionDenied("ROLE_NOT_ALLOWED", "no"), ExitCode.SERVER_SAYS_NO),
    (client.Internal("INTERNAL", "no", metadata={"call_id": "abc"}), ExitCode.SERVER_SAYS_NO),
    (client.Unavailable("HSM_UNAVAILABLE", "no"), ExitCode.SERVER_SAYS_NO),
    (client.Unavailable("UNAVAILABLE", "no", grpc_code=grpc.StatusCode.UNAVAILABLE), ExitCode.NOT_REACHABLE),
    (client.TransportRefused("TLS_REFUSED", "no"), ExitCode.NOT_REACHABLE),
    (client.DeadlineExceeded("DEADLINE_EXCEEDED", "no"), ExitCode.NOT_REACHABLE),
    (device.ArtifactUnknown("ARTIFACT_UNKNOWN", "no"), ExitCode.NOT_SO),
    (device.LimitReached("max-uses", "no"), ExitCode.NOT_SO),
    (device.RootUnavailable("ROOT_UNAVAILABLE", "no"), ExitCode.NOT_USABLE),
    (device.StoreFailed("STORE_FAILED", "no"), ExitCode.NOT_USABLE),
    (tlog.TamperedError("tile/0/000", "altered"), ExitCode.NOT_SO),
    (tlog.RollbackError("smaller"), ExitCode.NOT_SO),
    (tlog.MissingResource("tile/0/000"), ExitCode.NOT_SO),
    (tlog.FetchError("checkpoint", "refused"), ExitCode.NOT_REACHABLE),
    (InvalidSignature("no"), ExitCode.NOT_SO),
    (EvidenceError("not a chain"), ExitCode.NOT_SO),
    (CollateralError("not a list"), ExitCode.NOT_USABLE),
    (ArgumentError("no zone"), ExitCode.NOT_USABLE),
    (ConfigError("server.port: wrong"), ExitCode.NOT_USABLE),
    (HomeInUse("another server runs"), ExitCode.NOT_USABLE),
    (ModuleNotFound("install SoftHSM"), ExitCode.NOT_USABLE),
    (FileNotFoundError(2, "No such file or directory", "x.txt"), ExitCode.NOT_USABLE),
    (not_so("X", "it is not so"), ExitCode.NOT_SO),
    (ZeroDivisionError("division by zero"), ExitCode.DEFECT),
]


@pytest.mark.parametrize(
    ("error", "code"), CASES, ids=[f"{type(error).__name__}-{index}" for index, (error, _) in enumerate(CASES)]
)
def test_every_kind_of_error_has_its_exit_code(error: Exception, code: ExitCode) -> None:
    failure = explain(error)
    assert failure.exit_code is code
    assert failure.reason == failure.reason.upper().replace(" ", "_")
    assert failure.message


def test_what_is_not_reachable_names_the_command_that_starts_it() -> None:
    assert "hallmark serve" in explain(client.Unavailable("UNAVAILABLE", "no connection")).advice


def test_what_the_device_refuses_names_the_next_step() -> None:
    """POLICY_INVALID is of a vault here, and of attestation where the server says it."""
    assert "hallmark vault list" in explain(device.ArtifactUnknown("ARTIFACT_UNKNOWN", "no")).advice
    assert "hallmark vault policy" in explain(PolicyInvalid("no")).advice
    assert "hallmark policy check" in explain(client.InvalidArgument("POLICY_INVALID", "no")).advice


def test_a_fault_of_the_server_names_its_id() -> None:
    assert "abc" in explain(client.Internal("INTERNAL", "no", metadata={"call_id": "abc"})).advice


def test_a_missing_approval_names_the_command_that_asks_for_it() -> None:
    metadata = {"act": "policy_change", "subject": "tenants/default/keys/k", "parameters_sha256": "ab" * 32}
    advice = explain(client.FailedPrecondition("APPROVAL_REQUIRED", "no", metadata=metadata)).advice
    assert f"propose policy-change tenants/default/keys/k --parameters {'ab' * 32}" in advice
    assert "--proposal ID" in advice
    destroy = {"act": "destroy", "subject": "tenants/default/keys/k/versions/1", "parameters_sha256": ""}
    assert "--parameters" not in explain(client.FailedPrecondition("APPROVAL_REQUIRED", "no", metadata=destroy)).advice


@pytest.mark.parametrize(
    ("resource", "command"),
    [
        ("keys/k", "keys list"),
        ("aliases/a", "keys alias list"),
        ("devices/d", "devices list"),
        ("verdicts/v", "devices list"),
        ("policies/9", "policy list"),
        ("proposals/p", "approvals list"),
        ("anchors/ab", "anchors list"),
        ("collateral/c", "collateral list"),
    ],
)
def test_what_is_not_there_is_looked_for_where_it_would_be(resource: str, command: str) -> None:
    missing = client.NotFound("RESOURCE_NOT_FOUND", f"tenants/default/{resource} was not found")
    assert f"`hallmark {command}`" in explain(missing).advice


def test_a_limit_says_when_to_come_back() -> None:
    error = client.ResourceExhausted("RATE_LIMITED", "slow down", retry_after_seconds=1.5)
    assert "1.5 seconds" in explain(error).advice


def test_a_file_error_names_the_file() -> None:
    assert explain(FileNotFoundError(2, "No such file or directory", "x.txt")).message.startswith("x.txt:")


def test_output_that_has_no_room_says_where_to_make_some() -> None:
    failure = explain(OSError(errno.ENOSPC, "No space left on device"))
    assert (failure.exit_code, "where the output goes" in failure.advice) == (ExitCode.NOT_USABLE, True)


def test_report_tells_people_what_happened_and_what_to_do(capsys) -> None:
    error = CommandError("X", "it broke", exit_code=ExitCode.NOT_SO, advice="mend it")
    assert report(error, Invocation()) == 1
    captured = capsys.readouterr()
    assert captured.err == "hallmark: it broke.\n          mend it.\n"
    assert captured.out == ""


def test_report_gives_programs_one_document(capsys) -> None:
    error = CommandError("X", "it broke", exit_code=ExitCode.NOT_SO, advice="mend it")
    report(error, Invocation(json=True))
    assert json.loads(capsys.readouterr().out) == {"error": {"reason": "X", "message": "it broke", "advice": "mend it"}}


def test_usage_errors_are_shown_by_click_and_end_2(capsys) -> None:
    assert report(click.UsageError("give a FILE"), Invocation()) == 2
    assert "give a FILE" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys) -> None:
    try:
        raise ConfigError("wrong")
    except ConfigError as error:
        report(error, Invocation(debug=True))
    assert "Traceback" in capsys.readouterr().err


def test_debug_works_behind_a_command_too(hallmark, tmp_path) -> None:
    outcome = hallmark("keys", "list", "--home", tmp_path / "nothing", "--debug")
    assert (outcome.code, "Traceback" in outcome.err) == (2, True)


def test_json_goes_with_failures_too(hallmark, tmp_path) -> None:
    outcome = hallmark("keys", "list", "--home", tmp_path / "nothing", "--json")
    assert outcome.document["error"]["reason"] == "PROFILE_MISSING"
