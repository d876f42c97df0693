"""Public files in a bucket of an object store that speaks the S3 API, through the library `obstore`.

Needs a store with conditional writes (If-None-Match, If-Match): they keep two writers from showing two truths.
Credentials come from where S3 tools take them: the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, the file in
AWS_SHARED_CREDENTIALS_FILE, or the machine's role. Never from the command line or the settings.

Each object carries the type and the cache time of kms.public.kinds, so the bucket can be served as it is.
"""

import asyncio
import configparser
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple
from urllib.parse import urlsplit

from kms.public.errors import ObjectStoreUnusable, PublicFileChanged, PublicFilesUnavailable
from kms.public.files import PublicFile, Unless, check_path
from kms.public.kinds import kind_of

if TYPE_CHECKING:
    from obstore.store import S3Store

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_AT_ONCE: Final = 16
"""Requests in flight."""
_REPLACE_ATTEMPTS: Final = 50
_REQUEST_SECONDS: Final = 10
_CONNECT_SECONDS: Final = 5
_REMOVED_AT_ONCE: Final = 1000
"""Keys in one DeleteObjects request (S3 API)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """Where a log goes in an object store. `prefix` has no slash at either end; "" is the bucket itself."""

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    """URL of the service; None is AWS in `region`."""
    region: str | None = None
    path_style: bool = True
    """https://endpoint/bucket/key rather than https://bucket.endpoint/key."""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def parse_bucket_url(
    url: str, *, endpoint: str | None = None, region: str | None = None, path_style: bool = True
) -> BucketAddress:
    """`s3://bucket/prefix`. Raises ObjectStoreUnusable; the text of a URL with a password in it is not repeated."""
    try:
        parts = urlsplit(url)
        scheme = None if endpoint is None else urlsplit(endpoint).scheme
    except ValueError:  # such as a bracket that is not closed
        raise ObjectStoreUnusable("an object store is named s3://BUCKET/PREFIX, its endpoint by a URL") from None
    if parts.scheme != "s3" or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ObjectStoreUnusable("an object store is named s3://BUCKET or s3://BUCKET/PREFIX, without credentials")
    prefix = parts.path.strip("/")
    if prefix:
        check_path(prefix)
    if endpoint is not None and (scheme not in {"http", "https"} or "@" in endpoint):
        raise ObjectStoreUnusable("the endpoint of an object store is an http or https URL, without credentials")
    return BucketAddress(bucket=parts.netloc, prefix=prefix, endpoint=endpoint, region=region, path_style=path_style)


def open_bucket(address: BucketAddress, *, environment: Mapping[str, str] | None = None) -> "ObjectStorePublicFiles":
    """Asks the store nothing yet. Raises ObjectStoreUnusable."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ImportError as error:
        raise ObjectStoreUnusable("object stores need the library obstore: pip install 'hallmark[s3]'") from error
    settings: dict[str, Any] = {"virtual_hosted_style_request": not address.path_style}
    settings |= _credentials_in_file(os.environ if environment is None else environment)
    if address.endpoint is not None:
        settings["endpoint"] = address.endpoint
    if address.region is not None:
        settings["region"] = address.region
    try:
        store = S3Store(
            address.bucket,
            prefix=address.prefix or None,
            client_options={
                "allow_http": (address.endpoint or "").startswith("http://"),
                "timeout": timedelta(seconds=_REQUEST_SECONDS),
                "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            },
            # Few: whoever calls tries again, with its own patience, and knows what to say meanwhile.
            retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=_REQUEST_SECONDS)},
            **settings,
        )
    except (BaseError, ValueError) as error:
        raise ObjectStoreUnusable(f"{address} cannot be used: {_first_line(error)}") from error
    return ObjectStorePublicFiles(store)


def _credentials_in_file(environment: Mapping[str, str]) -> dict[str, str]:
    """The profile AWS_PROFILE of the file AWS_SHARED_CREDENTIALS_FILE, unless the environment has credentials itself.

    Raises ObjectStoreUnusable, which repeats nothing of the file.
    """
    file = environment.get("AWS_SHARED_CREDENTIALS_FILE")
    if not file or environment.get("AWS_ACCESS_KEY_ID"):
        return {}
    profile = environment.get("AWS_PROFILE", "default")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with Path(file).open(encoding="utf-8") as stream:
            parser.read_file(stream)
        section = parser[profile]
        found = {name: section[f"aws_{name}"] for name in ("access_key_id", "secret_access_key")}
    except (OSError, ValueError, KeyError, configparser.Error):
        raise ObjectStoreUnusable(
            f"{file} (AWS_SHARED_CREDENTIALS_FILE) holds no aws_access_key_id and aws_secret_access_key for [{profile}]"
        ) from None
    if token := section.get("aws_session_token"):
        found["session_token"] = token
    return found


class ObjectStorePublicFiles:
    """The port in a bucket. Objects are whole or not there, and durable when the store says so.

    Requests run in threads of this object. The library's own asyncio functions let its Rust threads enter the
    interpreter when they are done, and a process that ends at that moment is aborted (seen with obstore 0.12).
    """

    def __init__(self, store: "S3Store") -> None:
        self._store = store
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="object-store")

    async def read(self, path: str) -> bytes | None:
        found = await self._run(self._read, check_path(path))
        return None if found is None else found[0]

    async def add(self, files: Sequence[PublicFile]) -> None:
        for file in files:
            check_path(file.path)
        outcomes = await asyncio.gather(*(self._run(self._add, file) for file in files), return_exceptions=True)
        for outcome in outcomes:  # when one fails the others end first
            if outcome is not None:
                raise outcome

    async def replace(self, file: PublicFile, *, unless: Unless | None = None) -> None:
        check_path(file.path)
        await self._run(self._replace, file, unless)

    async def publish(self, files: Sequence[PublicFile], last: PublicFile, *, unless: Unless | None = None) -> None:
        check_path(last.path)
        await self.add(files)
        await self.replace(last, unless=unless)

    async def names(self, folder: str = "") -> list[str]:
        return await self._run(self._names, check_path(folder) if folder else "")

    async def remove(self, paths: Sequence[str]) -> None:
        keys = [check_path(path) for path in paths]
        for start in range(0, len(keys), _REMOVED_AT_ONCE):
            await self._run(self._remove, keys[start : start + _REMOVED_AT_ONCE])

    async def _run(self, work: Callable[[*Ts], T], *arguments: *Ts) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _add(self, file: PublicFile) -> None:
        if self._put(file, "create"):
            return
        found = self._read(file.path)
        if found is None:
            raise PublicFilesUnavailable(file.path, "is being removed")
        if found[0] != file.content:
            raise PublicFileChanged(file.path)

    def _replace(self, file: PublicFile, unless: Unless | None) -> None:
        """Compare-and-set by ETag: what was read when `unless` was asked is what is replaced."""
        if unless is None:
            self._put(file, "overwrite")
            return
        for _ in range(_REPLACE_ATTEMPTS):
            found = self._read(file.path)
            if found is not None and unless(found[0]):
                return
            if self._put(file, "create" if found is None else {"e_tag": found[1]}):
                return
        raise PublicFilesUnavailable(file.path, "others replace it again and again")

    def _read(self, path: str) -> tuple[bytes, str] | None:
        """Content and ETag."""
        import obstore

        with _asking(path):
            try:
                answer = obstore.get(self._store, path)
                return bytes(answer.bytes()), answer.meta["e_tag"] or ""
            except FileNotFoundError:
                return None

    def _put(self, file: PublicFile, mode: Any) -> bool:
        """False when the condition in `mode` does not hold."""
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        kind = kind_of(file.path)
        attributes = {"Content-Type": kind.media_type, "Cache-Control": kind.cache_control}
        with _asking(file.path):
            try:
                obstore.put(self._store, file.path, file.content, attributes=attributes, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError):
                return False
            except FileNotFoundError:
                if isinstance(mode, str):  # then it is the bucket that is not there
                    raise
                return False
            return True

    def _names(self, folder: str) -> list[str]:
        import obstore

        with _asking(folder):
            found = obstore.list_with_delimiter(self._store, folder or None)
        folders = [f"{_last_name(path)}/" for path in found["common_prefixes"]]
        names = folders + [_last_name(each["path"]) for each in found["objects"]]
        return sorted(name for name in names if not name.startswith("."))

    def _remove(self, keys: Sequence[str]) -> None:
        import obstore

        with _asking(keys[0]), contextlib.suppress(FileNotFoundError):
            obstore.delete(self._store, keys)


@contextlib.contextmanager
def _asking(path: str) -> Iterator[None]:
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, OSError) as error:
        raise PublicFilesUnavailable(path, f"the object store: {_first_line(error)}") from error


def _last_name(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _first_line(error: Exception) -> str:
    """What went wrong, without the XML a store answers with and the library's own long form."""
    return str(error).partition("\n")[0].partition(": <?xml")[0][:300]
