import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.verification import PolicyBuilder, Store

from kms.core.identity import Role
from kms.server.local_ca import LocalAuthority
from support.clock import START

HOSTS = ("localhost", "127.0.0.1", "::1")


def _authority(home: Path, now=START) -> LocalAuthority:
    return LocalAuthority(home, trust_domain="hallmark.local", now=now)


def test_the_server_is_who_clients_expect(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    _, pem = authority.server_credentials(HOSTS)
    verifier = PolicyBuilder().store(Store([authority.certificate])).time(START.replace(tzinfo=None))
    chain = verifier.build_server_verifier(x509.DNSName("localhost")).verify(x509.load_pem_x509_certificate(pem), [])
    assert chain[-1] == authority.certificate


def test_every_role_gets_a_folder_with_a_private_key_nobody_else_reads(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    folders = authority.ensure_clients()
    assert set(folders) == set(Role) - {Role.EDGE}
    for role, folder in folders.items():
        certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
            f"spiffe://hallmark.local/tenants/default/{role}/{role}"
        ]
        certificate.verify_directly_issued_by(authority.certificate)
        assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
        assert (folder / "ca.pem").read_bytes() == authority.pem
    assert stat.S_IMODE((tmp_path / "tls" / "ca.key").stat().st_mode) == 0o600


def test_further_admins_get_folders_of_their_own(tmp_path: Path) -> None:
    folders = _authority(tmp_path).ensure_admins(("alice", "bob"))
    assert [folder.name for folder in folders] == ["alice", "bob"]
    certificates = [x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes()) for folder in folders]
    names = [each.extensions.get_extension_for_class(x509.SubjectAlternativeName).value for each in certificates]
    assert [name.get_values_for_type(x509.UniformResourceIdentifier) for name in names] == [
        ["spiffe://hallmark.local/tenants/default/admin/alice"],
        ["spiffe://hallmark.local/tenants/default/admin/bob"],
    ]
    assert certificates[0].public_key() != certificates[1].public_key()


@pytest.mark.parametrize("name", ["", "Alice", "../x", "backend", "admin", "a" * 64])
def test_an_admins_name_fits_a_spiffe_id_and_is_no_role(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="can not name an admin"):
        _authority(tmp_path).ensure_admins((name,))
    assert not (tmp_path / "clients" / name / "key.pem").exists()


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    first = _authority(tmp_path)
    before = (first.pem, first.server_credentials(HOSTS), first.ensure_clients()[Role.ADMIN].joinpath("cert.pem"))
    content = before[2].read_bytes()
    again = _authority(tmp_path, START + timedelta(days=1))
    assert (again.pem, again.server_credentials(HOSTS)) == before[:2]
    assert again.ensure_clients()[Role.ADMIN].joinpath("cert.pem").read_bytes() == content


def test_what_expires_soon_or_names_other_hosts_is_made_again(tmp_path: Path) -> None:
    key, certificate = _authority(tmp_path).server_credentials(HOSTS)
    assert _authority(tmp_path).server_credentials(("other.example",))[1] != certificate
    renewed = _authority(tmp_path, START + timedelta(days=340)).server_credentials(HOSTS)
    assert renewed[1] != certificate
    assert renewed[0] != key


def test_keys_are_p256(tmp_path: Path) -> None:
    key, _ = _authority(tmp_path).server_credentials(HOSTS)
    assert serialization.load_pem_private_key(key, password=None).curve.name == "secp256r1"


def test_an_identity_of_another_tenant_has_a_folder_beside_the_operators(tmp_path: Path) -> None:
    authority = _authority(tmp_path)
    folder = authority.ensure_client("acme", Role.BACKEND, "shop")
    assert folder == tmp_path / "clients" / "acme.shop"
    certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://hallmark.local/tenants/acme/backend/shop"
    ]
    before = (folder / "cert.pem").read_bytes()
    assert authority.ensure_client("acme", Role.BACKEND, "shop") == folder
    assert (folder / "cert.pem").read_bytes() == before
    assert authority.ensure_client("default", Role.ADMIN, "admin") == authority.ensure_clients()[Role.ADMIN]


@pytest.mark.parametrize(
    ("tenant", "role", "name"),
    [
        ("system", Role.ADMIN, "admin"),
        ("Acme", Role.ADMIN, "admin"),
        ("acme", Role.ADMIN, "../x"),
        ("acme", Role.ADMIN, "backend"),
        ("acme.b", Role.ADMIN, "c"),
        ("", Role.ADMIN, "admin"),
    ],
)
def test_what_is_no_identity_is_not_made(tmp_path: Path, tenant: str, role: Role, name: str) -> None:
    with pytest.raises(ValueError, match="can not"):
        _authority(tmp_path).ensure_client(tenant, role, name)
    assert not (tmp_path / "clients").exists()
