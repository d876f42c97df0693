"""What a wire call is."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Request, Response]):
    """path: as on the wire, /package.Service/Method."""

    path: str
    request: type[Request]
    response: type[Response]
    streaming: bool = False
    """The server streams."""
    uploads: bool = False
    """The client streams. With both, either side says something whenever it likes."""

    @property
    def name(self) -> str:
        """The method alone, such as "Sign"."""
        return self.path.rpartition("/")[2]
