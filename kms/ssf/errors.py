"""What a receiver is answered when a call over HTTP can not be done. SSF 1.0 names the status codes (section 8.1).

SsfRefusal
├── RequestInvalid     400  the body or the query is not what the call takes
├── TokenMissing       401  no token, or one of nobody: the same answer
├── SubjectsFull       403  no more subjects can be kept for the stream
├── StreamNotFound     404  there is no such stream, or it is another receiver's: the same answer
├── PathUnknown        404  no such endpoint
├── MethodNotAllowed   405
├── BodyLate           408  the body did not arrive in time
├── StreamExists       409  a receiver has one stream (SSF 1.0, section 8.1.1.1)
├── BodyTooLarge       413
├── TooSoon            429  a verification before min_verification_interval is over
└── NotNow             503  the database or the HSM is away

`err` takes its codes from RFC 8935, section 2.4, where one fits; the body is the object of its section 2.3.
"""

from collections.abc import Mapping
from typing import ClassVar, Final

from kms.core.canonical import Json

INVALID_REQUEST: Final = "invalid_request"
_DENIED: Final = "access_denied"


class SsfRefusal(Exception):
    """`description` is for people."""

    status: ClassVar[int]
    err: ClassVar[str] = INVALID_REQUEST

    def __init__(self, description: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description)
        self.description = description
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Json]:
        return {"err": self.err, "description": self.description}


class RequestInvalid(SsfRefusal):
    status = 400


class TokenMissing(SsfRefusal):
    status = 401
    err = "authentication_failed"

    def __init__(self) -> None:
        headers = {"www-authenticate": 'Bearer realm="ssf"'}  # RFC 6750, section 3
        super().__init__("give the token of a receiver: Authorization: Bearer TOKEN", headers=headers)


class SubjectsFull(SsfRefusal):
    status = 403
    err = _DENIED


class StreamNotFound(SsfRefusal):
    status = 404

    def __init__(self) -> None:
        super().__init__("there is no such stream")


class PathUnknown(SsfRefusal):
    status = 404

    def __init__(self) -> None:
        super().__init__("there is nothing here; see /.well-known/ssf-configuration")


class MethodNotAllowed(SsfRefusal):
    status = 405

    def __init__(self, allowed: str) -> None:
        super().__init__(f"this endpoint takes {allowed}", headers={"allow": allowed})


class _BodyUnread(SsfRefusal):
    """The rest of the body may still come, so the connection is good for nothing else."""

    def __init__(self, description: str) -> None:
        super().__init__(description, headers={"connection": "close"})


class BodyLate(_BodyUnread):
    status = 408


class StreamExists(SsfRefusal):
    status = 409


class BodyTooLarge(_BodyUnread):
    status = 413


class TooSoon(SsfRefusal):
    status = 429

    def __init__(self, seconds: int) -> None:
        super().__init__(f"ask again in {seconds} seconds", headers={"retry-after": str(seconds)})


class NotNow(SsfRefusal):
    status = 503
    err = "temporarily_unavailable"

    def __init__(self) -> None:
        super().__init__("the service can not do this now; try again", headers={"retry-after": "1"})
