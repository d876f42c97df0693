from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.device.life.artifact_keys import opened
from hallmark_client.device.life.keys import KEM
from hallmark_client.errors import EnvelopeInvalid, VerificationFailed
from hallmark_client.model.releases import ArtifactKey, artifact_key_info
from hallmark_envelope import EnvelopePrivateKey, seal_envelope
from unit.hallmark_client.device.life.conftest import DEVICE, artifact

KEY = EnvelopePrivateKey.from_seed(KEM, bytes(range(32)))
NONCE = bytes(32)
CONTENT_KEY = bytes(reversed(range(32)))
ASKED = MappingProxyType({"device": DEVICE, "artifact": artifact().subject, "nonce": NONCE})


def answer(info: bytes, envelope: bytes) -> ArtifactKey:
    return ArtifactKey(
        release="tenants/default/releases/r", kem_id=int(KEM), envelope=envelope, info=info, lease=None, log=None
    )


def sealed(**changes) -> ArtifactKey:
    told = {**ASKED, "epoch": 3, "public_key": KEY.public_key, **changes}
    info = artifact_key_info(**told)
    return answer(info, seal_envelope(KEY.public_key, KEM, CONTENT_KEY, info=info))


def test_of_the_epoch_that_is_wanted_or_of_any() -> None:
    assert opened(sealed(), KEY, **ASKED, epoch=3) == CONTENT_KEY
    assert opened(sealed(epoch=9), KEY, **ASKED, epoch=None) == CONTENT_KEY


@pytest.mark.parametrize(
    ("changes", "epoch"),
    [
        ({"epoch": 2}, 3),
        ({"artifact": artifact("face").subject}, None),
        ({"device": "tenants/default/devices/another"}, None),
        ({"nonce": b"of another request"}, None),
        ({"public_key": b"another key"}, None),
    ],
)
def test_the_answer_to_another_question_is_refused(changes, epoch) -> None:
    with pytest.raises(VerificationFailed) as refused:
        opened(sealed(**changes), KEY, **ASKED, epoch=epoch)
    assert refused.value.reason == "ARTIFACT_KEY_MISMATCH"


def test_an_epoch_that_was_changed_on_the_way_opens_nothing() -> None:
    with pytest.raises(EnvelopeInvalid):
        opened(answer(sealed(epoch=4).info, sealed(epoch=3).envelope), KEY, **ASKED, epoch=None)


@given(
    info=st.binary(max_size=100) | st.just(b'{"epoch":"3"}') | st.just(b'{"epoch":true}'),
    envelope=st.binary(max_size=100),
)
def test_any_bytes_raise_only_these(info, envelope) -> None:
    with pytest.raises((VerificationFailed, EnvelopeInvalid)):
        opened(answer(info, envelope), KEY, **ASKED, epoch=None)
