"""Policy for Apple App Attest: which apps, and in which environment their keys were attested."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApplePolicy:
    """`app_ids` are App IDs, the ten-character team identifier and the bundle identifier with a dot between
    ("ABCDE12345.org.example.app"). Empty means that the app is not checked, which is safe only where no other app's
    evidence can do harm: every app on every iPhone can be attested. Keys of the development environment are refused,
    because anyone with a developer account makes them for any build.
    """

    app_ids: frozenset[str] = frozenset()
    allow_development: bool = False
    require_receipt: bool = False
