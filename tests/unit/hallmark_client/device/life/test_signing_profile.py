import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark_client.device.life.keys import SoftwareKey
from hallmark_client.device.life.model import KeyPlace, Registration
from hallmark_client.device.life.signing_profile import SigningProfile, device_profile
from hallmark_client.errors import ProfileInvalid
from hallmark_client.model.enums import ChallengePurpose
from unit.hallmark_client.device.life.conftest import DEVICE, NOW
from unit.hallmark_client.device.life.service import AUTHORITY, certificate

SOFTWARE = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))


class Chip:
    """The same key, which only signs."""

    spki = SOFTWARE.spki

    def sign(self, message: bytes) -> bytes:
        return SOFTWARE.sign(message)


def registration(spki: bytes = SOFTWARE.spki) -> Registration:
    return Registration(
        device=DEVICE,
        tenant="default",
        address="localhost:1",
        ca_pem=AUTHORITY.pem,
        public_url=None,
        certificate=certificate(spki, DEVICE),
        issue_time=NOW,
        expire_time=NOW,
        key_spki=spki,
        key_place=KeyPlace.VAULT,
        purpose=ChallengePurpose.FIRST_BOOT,
        hpke_key=b"",
        verdict="",
    )


def test_a_key_in_software_goes_the_usual_way() -> None:
    profile = device_profile(registration(), SOFTWARE)
    assert profile.key_pem == SOFTWARE.pem()
    assert not isinstance(profile, SigningProfile)


def test_a_key_that_only_signs_is_never_asked_for_itself() -> None:
    profile = device_profile(registration(), Chip())
    assert isinstance(profile, SigningProfile)
    assert profile.key_pem == b""
    assert isinstance(profile.credentials(), grpc.ChannelCredentials)
    assert "Chip" not in repr(profile)


def test_another_certificate_is_refused() -> None:
    other = SoftwareKey(ec.generate_private_key(ec.SECP256R1()))
    for key in (SOFTWARE, Chip()):
        with pytest.raises(ProfileInvalid):
            device_profile(registration(other.spki), key)
