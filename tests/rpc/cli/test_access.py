"""`hallmark access` against a service of its own."""

import shlex
from collections.abc import Iterator

import pytest
from cryptography import x509

from support.service import RunningService, running_service

ADMINS = '@id("admins")\npermit(principal, action, resource) when { principal.role == "admin" };\n'
AUDITORS = (
    '@id("auditors")\npermit(principal, action in [Action::"read"], resource) when { principal.role == "auditor" };\n'
)
PAY = "tenants/default/keys/pay"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("access"), settings='[server]\nadmins = ["bob"]\n') as running:
        yield running


@pytest.fixture
def kept(hallmark, tmp_path) -> str:
    """Number of a version that was just set."""
    (tmp_path / "access.cedar").write_text(ADMINS + AUDITORS)
    made = hallmark("access", "set", "access.cedar", "--title", "ours", "--json")
    assert made.code == 0, made.err
    return made.document["policy"]["name"].rpartition("/")[2]


def _spiffe_id(service: RunningService, role: str) -> str:
    certificate = x509.load_pem_x509_certificate((service.home / "clients" / role / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.UniformResourceIdentifier)[0]


def test_from_a_file_to_force_and_back(hallmark, service, kept: str) -> None:
    assert "hallmark access activate" in hallmark("access", "dry-run", kept).out
    assert hallmark("access", "activate", kept).out == f"Version {kept} is in force. Next: hallmark access get\n"
    shown = hallmark("access", "get")
    assert shown.out == ADMINS + AUDITORS, "the file as it was set, and nothing else on standard output"
    assert "ACTIVE" in shown.err
    listed = hallmark("access", "list")
    assert (listed.code, "ours" in listed.out, "VERSION" in listed.out) == (0, True, True)
    again = hallmark("access", "activate", kept, "--json")
    assert (again.code, again.document["error"]["reason"]) == (3, "STATE_TRANSITION_INVALID")
    backend = _spiffe_id(service, "backend")
    told = hallmark("access", "test", backend, "SigningService.Sign", PAY)
    assert (told.code, told.out.startswith("refused: RESOURCE_NOT_FOUND")) == (1, True)
    assert hallmark("access", "effective", backend).out == "Nothing at all.\n"
    granted = hallmark("access", "grant", "create", backend, "SigningService.Sign", "--resource", PAY, "--for", "1h")
    assert granted.code == 0, granted.err
    grant = granted.out.split()[-1]
    allowed = hallmark("access", "test", backend, "SigningService.Sign", PAY, "--json")
    assert (allowed.code, allowed.document["statements"]) == (0, [f"tenants/default/grants/{grant}"])
    assert grant in hallmark("access", "effective", backend).out
    listed = hallmark("access", "grant", "list", "--principal", backend).out
    assert (grant in listed, " pay " in listed) == (True, True)
    assert hallmark("access", "grant", "revoke", grant, "--reason", "over").code == 0
    assert "No grants" in hallmark("access", "grant", "list").out
    assert grant in hallmark("access", "grant", "list", "--all").out
    back = hallmark("access", "activate", "0")
    assert back.out == "Roles decide alone again. Next: hallmark access list\n"
    assert hallmark("access", "list").out.endswith("None is in force: roles decide alone.\n")
    assert hallmark("access", "test", backend, "SigningService.Sign", PAY).code == 0


@pytest.mark.parametrize("command", [("access", "effective"), ("access", "test"), ("access", "grant", "create")])
def test_the_example_works_as_it_stands(hallmark, command: tuple[str, ...]) -> None:
    """On a server with default settings."""
    example = hallmark(*command, "--help").out.partition("Example:")[2].partition("\n\n")[0].partition("Then:")[0]
    words = shlex.split(example.replace("\\\n", " "))
    ran = hallmark(*words[1:])
    assert (tuple(words[1 : 1 + len(command)]), ran.code) == (command, 0), ran.err
    for grant in hallmark("access", "grant", "list", "--json").document["grants"]:  # the other tests count them
        assert hallmark("access", "grant", "revoke", grant["name"]).code == 0


def test_an_activation_can_be_proposed(hallmark, service, kept: str) -> None:
    proposed = hallmark("access", "activate", kept, "--propose", "--reason", "why not", "--json").document
    assert "name" in proposed, proposed
    number = proposed["name"].rpartition("/")[2]
    bob = ("--profile", str(service.home / "clients" / "bob"))
    assert hallmark("approvals", "approve", number, "--yes", *bob).code == 0
    assert hallmark("access", "activate", kept, "--proposal", number).code == 0
    assert hallmark("access", "activate", "0").code == 0


def test_the_schema_needs_no_server(hallmark, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HALLMARK_HOME", str(tmp_path / "nothing"))
    shown = hallmark("access", "schema")
    assert (shown.code, 'action "SigningService.Sign" in ["SigningService", "use"]' in shown.out) == (0, True)
    assert hallmark("access", "schema", "--json").document == {"schema": shown.out}


def test_mistakes(hallmark, tmp_path) -> None:
    (tmp_path / "wrong.cedar").write_text(ADMINS + '@id("x") permit(principal, action, resource) when { context.x };')
    refused = hallmark("access", "set", "wrong.cedar", "--check-only")
    assert refused.code == 3
    assert "line 3: x: attribute `x` not found" in refused.err
    (tmp_path / "lockout.cedar").write_text('@id("x") forbid(principal, action, resource);')
    number = hallmark("access", "set", "lockout.cedar", "--json").document["policy"]["name"].rpartition("/")[2]
    locked = hallmark("access", "activate", number)
    assert (locked.code, "Permit AccessService to admins" in locked.err) == (3, True)
    assert hallmark("access", "get", "999").code == 3
    assert "hallmark access schema" in refused.err
    assert hallmark("access", "activate", "active").code == 2
    assert hallmark("access", "dry-run", "active").code == 2
    assert hallmark("access", "grant", "list", "--principal", "backend/backend").code == 2
    assert hallmark("access", "grant", "create", "x", "SigningService.Sign").code == 2
