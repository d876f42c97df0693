"""The little DER (X.690) that the fake's evidence needs: tag, length, value, one level at a time."""

SEQUENCE = b"\x30"
INTEGER = b"\x02"
ENUMERATED = b"\x0a"
OCTET_STRING = b"\x04"
BOOLEAN = b"\x01"


def encode(tag: bytes, *contents: bytes) -> bytes:
    """One value of at most 65,535 bytes."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return tag + bytes((size,)) + content
    return tag + b"\x82" + size.to_bytes(2, "big") + content


def decode(data: bytes) -> list[tuple[bytes, bytes]]:
    """(tag, content) of the values that stand one after another. Raises ValueError for anything `encode` does not make
    or an Android device would not.
    """
    values: list[tuple[bytes, bytes]] = []
    while data:
        tag_size = 1
        if data[0] & 0x1F == 0x1F:  # high tag numbers: 7 bits a byte, the last one without the top bit (X.690 8.1.2.4)
            tag_size += next((count for count, byte in enumerate(data[1:5], 1) if not byte & 0x80), 5)
        tag, rest = data[:tag_size], data[tag_size:]
        if len(tag) != tag_size or not rest or tag_size > 4:
            raise ValueError("cut off")
        length_size = rest[0] & 0x7F if rest[0] & 0x80 else 0
        size = int.from_bytes(rest[1 : 1 + length_size], "big") if length_size else rest[0]
        content = rest[1 + length_size : 1 + length_size + size]
        if length_size > 2 or len(content) != size:
            raise ValueError("cut off")
        values.append((tag, content))
        data = rest[1 + length_size + size :]
    return values
