import hashlib
import json
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_client import AlreadyExists, Client, InvalidArgument, NotFound, PermissionDenied
from hallmark_client.anchors import key_of
from hallmark_client.model.collateral import Anchor
from hallmark_client.model.enums import CollateralKind, CollateralState, EvidenceFormat


@pytest.fixture
def client(client_under_test) -> Client:
    return client_under_test()


def _list() -> bytes:
    return json.dumps({"tpm_keys": [{"name": "000b" + hashlib.sha256(uuid.uuid4().bytes).hexdigest()}]}).encode()


def _anchor() -> Anchor:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Anchor(display_name="Plant", spki=spki, formats=(EvidenceFormat.TPM,))


def test_a_piece_is_in_force_until_it_is_removed(client: Client) -> None:
    data, label = _list(), f"label-{uuid.uuid4().hex[:8]}"
    change = client.collateral.put("tpm-keys", data, label=label)
    piece = change.collateral
    assert (change.changed, piece.kind, piece.key) == (True, CollateralKind.TPM_KEYS, label)
    assert (piece.state, piece.sha256) == (CollateralState.IN_FORCE, hashlib.sha256(data).hexdigest())
    assert piece in client.collateral.list().collateral
    assert piece not in client.collateral.list(kind=CollateralKind.AMD_CRL).collateral
    assert not client.collateral.put("tpm-keys", data, label=label).changed
    client.collateral.remove(piece.name)
    assert piece.name not in {found.name for found in client.collateral.list().collateral}
    with pytest.raises(NotFound):
        client.collateral.remove(piece.name)


def test_the_same_request_is_answered_again(client: Client) -> None:
    data, request_id = _list(), str(uuid.uuid4())
    first = client.collateral.put("tpm-keys", data, label="plant", request_id=request_id)
    again = client.collateral.put("tpm-keys", data, label="plant", request_id=request_id)
    assert (again.replayed, again.collateral) == (True, first.collateral)


def test_pieces_that_can_not_be(client: Client) -> None:
    for kind, data, label in (("tpm-keys", _list(), ""), ("amd-crl", b"x", "label"), ("tpm-keys", b"", "plant")):
        with pytest.raises(InvalidArgument):
            client.collateral.put(kind, data, label=label)
    with pytest.raises(InvalidArgument):
        client.collateral.put("no-such-kind", b"x")


def test_an_anchor_is_trusted_until_it_is_removed(client: Client) -> None:
    anchor = _anchor()
    added = client.anchors.add(anchor).anchor
    assert added.name == f"tenants/default/anchors/{anchor.spki_sha256}"
    assert (added.spki, added.formats, added.display_name) == (anchor.spki, anchor.formats, "Plant")
    assert added.create_time is not None
    assert added in client.anchors.list()
    assert client.anchors.get(anchor.spki_sha256) == added
    with pytest.raises(AlreadyExists):
        client.anchors.add(anchor)
    client.anchors.remove(added.name)
    with pytest.raises(NotFound):
        client.anchors.get(added.name)


def test_anchors_that_can_not_be(client: Client) -> None:
    for changes in ({"spki": b"no key"}, {"formats": ()}, {"display_name": ""}):
        fields = {"display_name": "x", "spki": _anchor().spki, "formats": (EvidenceFormat.TPM,), **changes}
        with pytest.raises(InvalidArgument):
            client.anchors.add(Anchor(**fields))
    with pytest.raises(InvalidArgument):
        key_of(b"no key")


def test_an_auditor_reads_only(client_under_test) -> None:
    auditor = client_under_test("auditor")
    assert auditor.collateral.list() is not None
    for act in (lambda: auditor.anchors.add(_anchor()), lambda: auditor.collateral.put("tpm-keys", _list(), label="x")):
        with pytest.raises(PermissionDenied):
            act()
