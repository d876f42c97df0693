"""AuthorizationList of Android Key Attestation: what software or hardware says about a key.

Schema: https://source.android.com/docs/security/features/keystore/attestation#schema. Tags a verdict rests on are read
strictly: a wrong type there is MALFORMED. All other tags, also those newer than this file, are kept as they are when
they cannot be read, because a genuine device must not be refused for a field nobody looks at.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from attestation import der
from attestation.claims import Application, BootState, BootVerification, DeviceIdentity
from attestation.der import CONTEXT, Element
from attestation.errors import EvidenceError

MAX_TAGS: Final = 128
MAX_VALUES: Final = 64
MAX_INTEGER: Final = 2**64

PURPOSES: Final = {
    0: "ENCRYPT", 1: "DECRYPT", 2: "SIGN", 3: "VERIFY", 4: "DERIVE_KEY", 5: "WRAP_KEY", 6: "AGREE_KEY", 7: "ATTEST_KEY"
}  # fmt: skip
ORIGINS: Final = {0: "GENERATED", 1: "DERIVED", 2: "IMPORTED", 3: "UNKNOWN", 4: "SECURELY_IMPORTED"}
BOOT_STATES: Final = tuple(BootVerification)  # VerifiedBootState 0 to 3, in this order

TagValue = int | str | bool | bytes | frozenset[int] | BootState | Application


@dataclass(frozen=True, slots=True)
class AuthorizationList:
    """The tags that were read, by name, with typed access to the ones a verdict rests on."""

    values: tuple[tuple[str, TagValue], ...]
    unread: tuple[tuple[int, bytes], ...]
    ordered: bool

    @property
    def purposes(self) -> tuple[str, ...]:
        found = self.get("purpose")
        numbers = sorted(found) if isinstance(found, frozenset) else []
        return tuple(PURPOSES.get(number, str(number)) for number in numbers)

    @property
    def origin(self) -> str | None:
        number = self.integer("origin")
        return None if number is None else ORIGINS.get(number, str(number))

    @property
    def root_of_trust(self) -> BootState | None:
        found = self.get("rootOfTrust")
        return found if isinstance(found, BootState) else None

    @property
    def application(self) -> Application | None:
        found = self.get("attestationApplicationId")
        return found if isinstance(found, Application) else None

    @property
    def module_hash(self) -> bytes | None:
        found = self.get("moduleHash")
        return found if isinstance(found, bytes) else None

    @property
    def identity(self) -> DeviceIdentity | None:
        imeis = (self.text("attestationIdImei"), self.text("attestationIdSecondImei"))
        identity = DeviceIdentity(
            brand=self.text("attestationIdBrand"),
            device=self.text("attestationIdDevice"),
            product=self.text("attestationIdProduct"),
            manufacturer=self.text("attestationIdManufacturer"),
            model=self.text("attestationIdModel"),
            serial=self.text("attestationIdSerial"),
            imeis=tuple(imei for imei in imeis if imei is not None),
            meid=self.text("attestationIdMeid"),
        )
        return None if identity == DeviceIdentity() else identity

    def get(self, name: str) -> TagValue | None:
        return next((value for key, value in self.values if key == name), None)

    def integer(self, name: str) -> int | None:
        found = self.get(name)
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    def text(self, name: str) -> str | None:
        found = self.get(name)
        return found if isinstance(found, str) else None


def parse_authorization_list(element: Element) -> AuthorizationList:
    """Read the tags of one list; a tag may stand in it once. Order is recorded, not demanded: devices exist that write
    tags out of order (https://github.com/PeculiarVentures/asn1-schema/issues/98).
    """
    items = element.sequence()
    if len(items) > MAX_TAGS or any(item.tag_class != CONTEXT for item in items):
        raise EvidenceError("authorization list is not a list of tags")
    tags = [item.number for item in items]
    if len(set(tags)) != len(tags):
        raise EvidenceError("authorization list has a tag twice")
    values: list[tuple[str, TagValue]] = []
    unread: list[tuple[int, bytes]] = []
    for item in items:
        name, read = TAGS.get(item.number, ("", None))
        try:
            if read is None:
                unread.append((item.number, item.content))
            else:
                values.append((name, read(item.explicit())))
        except EvidenceError as error:
            if item.number in STRICT:
                raise EvidenceError(f"tag {item.number} ({name}): {error.detail}") from error
            unread.append((item.number, item.content))
    return AuthorizationList(tuple(values), tuple(unread), ordered=tags == sorted(tags))


def _integer(element: Element) -> int:
    number = element.integer()
    if not 0 <= number < MAX_INTEGER:
        raise EvidenceError("number does not fit 64 bits")
    return number


def _integers(element: Element) -> frozenset[int]:
    items = element.set_of()
    if len(items) > MAX_VALUES:
        raise EvidenceError("set is too large")
    return frozenset(_integer(item) for item in items)


def _present(element: Element) -> bool:
    element.null()
    return True


def _octets(element: Element) -> bytes:
    return element.octets()


def _text(element: Element) -> str:
    try:
        return element.octets().decode()
    except UnicodeDecodeError as error:
        raise EvidenceError("text is not UTF-8") from error


def _root_of_trust(element: Element) -> BootState:
    """SEQUENCE { verifiedBootKey, deviceLocked, verifiedBootState, verifiedBootHash (since version 3) }."""
    fields = element.sequence()
    if len(fields) not in (3, 4):
        raise EvidenceError("RootOfTrust has neither three nor four fields")
    state = fields[2].enumerated()
    if not 0 <= state < len(BOOT_STATES):
        raise EvidenceError(f"verifiedBootState {state} is unknown")
    return BootState(
        locked=fields[1].boolean(any_nonzero=True),  # Qualcomm's Keymaster 4 writes TRUE as 0x01
        verification=BOOT_STATES[state],
        key=fields[0].octets(),
        hash=fields[3].octets() if len(fields) == 4 else None,
    )


def _application(element: Element) -> Application:
    """OCTET STRING around SEQUENCE { SET OF SEQUENCE { name, version }, SET OF digest }."""
    fields = der.parse(element.octets(), relaxed=element.relaxed).sequence()
    if len(fields) != 2:
        raise EvidenceError("attestationApplicationId is not two sets")
    packages: list[tuple[str, int]] = []
    for item in fields[0].set_of():
        pair = item.sequence()
        if len(pair) != 2:
            raise EvidenceError("package is not name and version")
        packages.append((_text(pair[0]), pair[1].integer()))
    return Application(tuple(packages), tuple(item.octets() for item in fields[1].set_of()))


# Tags of KeyMint 1 to 5 and of the Keymasters before it (Tag.aidl; the low 28 bits of each).
TAGS: Final[dict[int, tuple[str, Callable[[Element], TagValue]]]] = {
    1: ("purpose", _integers),
    2: ("algorithm", _integer),
    3: ("keySize", _integer),
    4: ("blockMode", _integers),
    5: ("digest", _integers),
    6: ("padding", _integers),
    7: ("callerNonce", _present),
    8: ("minMacLength", _integer),
    10: ("ecCurve", _integer),
    11: ("mlDsaVariant", _integer),
    200: ("rsaPublicExponent", _integer),
    203: ("mgfDigest", _integers),
    303: ("rollbackResistance", _present),
    305: ("earlyBootOnly", _present),
    400: ("activeDateTime", _integer),
    401: ("originationExpireDateTime", _integer),
    402: ("usageExpireDateTime", _integer),
    405: ("usageCountLimit", _integer),
    502: ("userSecureId", _integer),
    503: ("noAuthRequired", _present),
    504: ("userAuthType", _integer),
    505: ("authTimeout", _integer),
    506: ("allowWhileOnBody", _present),
    507: ("trustedUserPresenceRequired", _present),
    508: ("trustedConfirmationRequired", _present),
    509: ("unlockedDeviceRequired", _present),
    600: ("allApplications", _present),
    601: ("applicationId", _octets),
    701: ("creationDateTime", _integer),
    702: ("origin", _integer),
    703: ("rollbackResistant", _present),
    704: ("rootOfTrust", _root_of_trust),
    705: ("osVersion", _integer),
    706: ("osPatchLevel", _integer),
    709: ("attestationApplicationId", _application),
    710: ("attestationIdBrand", _text),
    711: ("attestationIdDevice", _text),
    712: ("attestationIdProduct", _text),
    713: ("attestationIdSerial", _text),
    714: ("attestationIdImei", _text),
    715: ("attestationIdMeid", _text),
    716: ("attestationIdManufacturer", _text),
    717: ("attestationIdModel", _text),
    718: ("vendorPatchLevel", _integer),
    719: ("bootPatchLevel", _integer),
    720: ("deviceUniqueAttestation", _present),
    723: ("attestationIdSecondImei", _text),
    724: ("moduleHash", _octets),
}
STRICT: Final = frozenset({1, 702, 704, 705, 706, 718, 719})
IDENTITY_TAGS: Final = frozenset({*range(710, 718), 723})
