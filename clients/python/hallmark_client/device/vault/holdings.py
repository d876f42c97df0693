"""What the vault holds, in memory as in the index: rows by name, and who reads them now."""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol
from weakref import WeakSet

from hallmark_client.device.errors import ArtifactUnknown, ContentInvalid, DeviceError
from hallmark_client.device.model import Artifact, ArtifactState
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.rows import Row, read_row


class Reader(Protocol):
    @property
    def closed(self) -> bool: ...

    def end(self, error: DeviceError) -> None:
        """Every later use raises `error`."""

    def forked(self, error: DeviceError) -> None:
        """As `end`, and waits for nothing."""


class Holdings:
    """Methods that change something belong inside a transaction of the index, with its lock; call `load` again after
    one that failed. Others may be called by any thread.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._rows: dict[str, Row] = {}
        self._by_name: dict[str, dict[int, Row]] = {}
        self._readers: dict[str, WeakSet[Reader]] = {}
        self.damaged: Final[dict[str, str]] = {}

    def load(self) -> None:
        """Everything as it is on disk. A row that can not be read is left where it is, in `damaged`, by id."""
        connection = self._index.connection
        blobs: dict[str, list[tuple[str, int]]] = {}
        query = "SELECT artifact_id, blob, blob_size FROM part ORDER BY artifact_id, position"
        for artifact_id, blob, size in connection.execute(query):
            blobs.setdefault(artifact_id, []).append((blob, size))
        self._rows, self._by_name = {}, {}
        self.damaged.clear()
        query = "SELECT artifact_id, row, wrapped, share FROM artifact"
        for artifact_id, data, wrapped, share in connection.execute(query):
            try:
                row = read_row(data, wrapped, share, blobs.get(artifact_id, ()))
                if row.artifact.artifact_id != artifact_id:
                    raise ContentInvalid("CONTENT_INVALID", "a row of the index lies under another id")
                self._remember(row)
            except ContentInvalid as error:
                self.damaged[artifact_id] = error.message

    def rows(self) -> tuple[Row, ...]:
        """Those that were not deleted, by name and version."""
        rows = tuple(self._rows.values())
        living = (row for row in rows if row.artifact.state is not ArtifactState.DELETING)
        return tuple(sorted(living, key=lambda row: (row.artifact.name, row.artifact.version)))

    def doomed(self) -> tuple[Row, ...]:
        """Deleted, and not gone yet."""
        return tuple(row for row in tuple(self._rows.values()) if row.artifact.state is ArtifactState.DELETING)

    def find(self, name: str, version: int | None = None) -> Row:
        """Version None: the highest. Raises ArtifactUnknown."""
        versions = self._by_name.get(name, {})
        number = max(versions, default=-1) if version is None else version
        row = versions.get(number)
        if row is None or row.artifact.state is ArtifactState.DELETING:
            raise unknown(name)
        return row

    def named(self, artifacts: Iterable[Artifact | str]) -> list[Row]:
        """A name stands for all its versions. Each row once. Raises ArtifactUnknown."""
        found: dict[str, Row] = {}
        for each in artifacts:
            name = each if isinstance(each, str) else each.name
            rows = tuple(self._by_name.get(name, {}).values())
            fitting = [row for row in rows if isinstance(each, str) or row.artifact.artifact_id == each.artifact_id]
            if not fitting:
                raise unknown(name)
            found.update((row.artifact.artifact_id, row) for row in fitting)
        return list(found.values())

    def has(self, name: str, version: int) -> bool:
        return version in self._by_name.get(name, {})

    def is_current(self, row: Row) -> bool:
        return self._rows.get(row.artifact.artifact_id) is row

    def blobs(self) -> Iterator[str]:
        """Of every row, damaged ones too."""
        yield from (blob for (blob,) in self._index.connection.execute("SELECT blob FROM part"))

    def insert(self, row: Row) -> None:
        connection, artifact = self._index.connection, row.artifact
        values = (artifact.artifact_id, artifact.name, artifact.version, row.data, row.wrapped, row.share)
        connection.execute("INSERT INTO artifact VALUES (?, ?, ?, ?, ?, ?)", values)
        parts = ((artifact.artifact_id, position, *blob) for position, blob in enumerate(row.blobs))
        connection.executemany("INSERT INTO part VALUES (?, ?, ?, ?)", parts)

    def update(self, row: Row) -> None:
        values = (row.data, row.wrapped, row.share, row.artifact.artifact_id)
        self._index.connection.execute(
            "UPDATE artifact SET row = ?, wrapped = ?, share = ? WHERE artifact_id = ?", values
        )

    def remove(self, row: Row) -> None:
        for table in ("part", "artifact"):
            statement = f"DELETE FROM {table} WHERE artifact_id = ?"  # noqa: S608 - the names are ours
            self._index.connection.execute(statement, (row.artifact.artifact_id,))

    def committed(self, *rows: Row) -> None:
        """These are on disk now."""
        for row in rows:
            self._remember(row)

    def removed(self, *rows: Row) -> None:
        for row in rows:
            self._rows.pop(row.artifact.artifact_id, None)
            versions = self._by_name.get(row.artifact.name, {})
            versions.pop(row.artifact.version, None)
            if not versions:
                self._by_name.pop(row.artifact.name, None)

    def reads(self, artifact_id: str, reader: Reader) -> None:
        self._readers.setdefault(artifact_id, WeakSet()).add(reader)

    def readers(self, artifact_id: str) -> tuple[Reader, ...]:
        return tuple(self._readers.get(artifact_id, ()))

    def end_readers(self, artifact_id: str, error: DeviceError) -> None:
        for reader in self._readers.pop(artifact_id, ()):
            reader.end(error)

    def end_all_readers(self, error: DeviceError) -> None:
        for artifact_id in tuple(self._readers):
            self.end_readers(artifact_id, error)

    def leave_readers(self, error: DeviceError) -> None:
        """In the child of a fork."""
        for readers in tuple(self._readers.values()):
            for reader in tuple(readers):
                reader.forked(error)

    def _remember(self, row: Row) -> None:
        self._rows[row.artifact.artifact_id] = row
        self._by_name.setdefault(row.artifact.name, {})[row.artifact.version] = row


def unknown(name: str) -> ArtifactUnknown:
    return ArtifactUnknown("ARTIFACT_UNKNOWN", f"there is no {name!r} here")
