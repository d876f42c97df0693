"""Foreign bytes that went wrong, for tests of parsers."""

from hypothesis import strategies as st


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes replaced, inserted, removed, repeated or cut at one to four places."""
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at, size = draw(st.integers(0, len(changed))), draw(st.integers(0, 8))
        match draw(st.integers(0, 4)):
            case 0:
                changed[at : at + size] = draw(st.binary(min_size=size, max_size=size))
            case 1:
                changed[at:at] = draw(st.binary(max_size=8))
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + 64]
            case _:
                del changed[at:]
    return bytes(changed)
