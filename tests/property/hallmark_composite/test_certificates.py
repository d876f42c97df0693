from hypothesis import given
from hypothesis import strategies as st

from hallmark_composite import CompositeCertificate, MalformedCertificate


@given(st.binary(max_size=300) | st.binary(max_size=80).map(lambda body: b"\x30" + bytes((len(body),)) + body))
def test_whatever_the_bytes_only_its_own_error(data: bytes) -> None:
    try:
        CompositeCertificate.from_der(data)
    except MalformedCertificate:
        return
