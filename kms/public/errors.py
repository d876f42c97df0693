"""What can go wrong with the public files. Part of the service's one error tree.

PublicFilesError
├── PublicPathInvalid        a path nobody may publish or read
├── PublicFileChanged        an immutable file is there with other bytes: somebody would see two truths
└── PublicFilesUnavailable   the storage refused (disk full, read only, gone); trying again may help
ObjectStoreUnusable          an operator's mistake: the settings name no object store that can be used
"""

from kms.core.errors import InternalError, Reason


class PublicFilesError(InternalError):
    """`path` is the file at fault, below the root of the public files."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(Reason.INTERNAL, f"public file {path}: {problem}")
        self.path = path


class PublicPathInvalid(PublicFilesError):
    def __init__(self, path: str) -> None:
        super().__init__(path[:80], "a path is names of letters, digits, '.', '_' and '-', none beginning with '.'")


class PublicFileChanged(PublicFilesError):
    def __init__(self, path: str) -> None:
        super().__init__(path, "is published already with other content and may never change")


class PublicFilesUnavailable(PublicFilesError):
    pass


class ObjectStoreUnusable(InternalError):
    def __init__(self, problem: str) -> None:
        super().__init__(Reason.INTERNAL, problem)
