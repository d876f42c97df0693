"""The wire calls about releases, as in hallmark_client.rpc."""

from typing import Any, Final

from hallmark.v1 import releases_pb2 as releases
from hallmark_client.rpc_type import Rpc

_RELEASES: Final = "/hallmark.v1.ReleaseService/"

CREATE_RELEASE: Final = Rpc(f"{_RELEASES}CreateRelease", releases.CreateReleaseRequest, releases.ReleaseResponse)
GET_RELEASE: Final = Rpc(f"{_RELEASES}GetRelease", releases.GetReleaseRequest, releases.Release)
LIST_RELEASES: Final = Rpc(f"{_RELEASES}ListReleases", releases.ListReleasesRequest, releases.ListReleasesResponse)
REQUEST_ARTIFACT_KEY: Final = Rpc(
    f"{_RELEASES}RequestArtifactKey", releases.RequestArtifactKeyRequest, releases.ArtifactKey
)
ANCHOR_DEVICE_AUDIT: Final = Rpc(
    f"{_RELEASES}AnchorDeviceAudit", releases.AnchorDeviceAuditRequest, releases.AnchorDeviceAuditResponse
)

RELEASE_RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    CREATE_RELEASE,
    GET_RELEASE,
    LIST_RELEASES,
    REQUEST_ARTIFACT_KEY,
    ANCHOR_DEVICE_AUDIT,
)
