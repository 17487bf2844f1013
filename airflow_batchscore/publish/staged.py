"""What lies in a folder where scores are staged: each partition's identities, by one listing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from airflow_batchscore.data import storage
from airflow_batchscore.data.storage import FileInfo, Location
from airflow_batchscore.scoring.estimate import ESTIMATE, ESTIMATES
from airflow_batchscore.scoring.manifest_numbers import NOTE_BYTES, number_of

#: ``<field>=<value>/.../<identity>/<file>``
_STAGED = re.compile(r"((?:[^/=]+=[^/]*/)+)([0-9a-f]{16})/(.+)")
#: What scoring writes below an identity; anything else there is somebody else's.
_OURS = re.compile(
    r"(?:quarantine/|groups/)?part-[^/]+\.parquet|blocks-[0-9a-z-]+\.json|manifests/\d{6,}\.json|groups/.+"
)
#: What a writer had not finished when it died.
_TEMPORARY = re.compile(r"(?:.+/)?\.tmp-[^/]+(?:/.+)?")


@dataclass(frozen=True)
class StagedFile:
    """A file of an identity, and its path below the identity's folder."""

    info: FileInfo
    below: str

    @property
    def is_temporary(self) -> bool:
        return _TEMPORARY.fullmatch(self.below) is not None

    @property
    def number(self) -> int | None:
        """Of a manifest."""
        return number_of(self.below)


@dataclass(frozen=True)
class StagedIdentity:
    """What scoring left below the folder of an identity.

    Attributes:
        partition: its key.
        identity: name of the folder.
        files: of ours.
    """

    partition: str
    identity: str
    folder: Location
    files: Sequence[StagedFile]

    @property
    def name(self) -> str:
        """``<partition>/<identity>``."""
        return f"{self.partition}/{self.identity}"

    @property
    def bytes(self) -> int:
        return sum(file.info.size for file in self.files)

    @property
    def newest_ns(self) -> int:
        """When anything was last written, in ns since 1970."""
        return max(file.info.mtime_ns for file in self.files)

    @property
    def manifests(self) -> Sequence[StagedFile]:
        """Manifests, and notes in their place, in their order."""
        numbered = [(file.number, file) for file in self.files if file.number is not None]
        return [file for _, file in sorted(numbered, key=lambda pair: pair[0])]

    @property
    def full_manifests(self) -> Sequence[StagedFile]:
        """Those that are no notes."""
        return [file for file in self.manifests if file.info.size > NOTE_BYTES]

    @property
    def data(self) -> Sequence[StagedFile]:
        """All files but those."""
        return [file for file in self.files if file.number is None]

    @property
    def number(self) -> int:
        """Of the newest manifest or note; 0 if there is none."""
        return (self.manifests[-1].number or 0) if self.manifests else 0

    @property
    def committed_ns(self) -> int | None:
        """When it was last committed; None if it is not, or not any more."""
        newest = self.manifests[-1] if self.manifests else None
        return newest.info.mtime_ns if newest is not None and newest.info.size > NOTE_BYTES else None

    @property
    def is_removed(self) -> bool:
        """Whether nothing is left but what says that it was removed."""
        return self.committed_ns is None and not self.data


def staged_identities(staging: Location) -> list[StagedIdentity]:
    """Every identity in a staging folder. What this package did not write is not among its files.

    Raises OSError if the storage does not answer.
    """
    found: dict[tuple[str, str], list[StagedFile]] = {}
    root = staging.uri.rstrip("/") + "/"
    for info in storage.list_files(staging, recursive=True):
        match = _STAGED.fullmatch(info.uri.removeprefix(root))
        if match is None:
            continue
        file = StagedFile(info, match[3])
        if file.is_temporary or _OURS.fullmatch(file.below):
            found.setdefault((match[1].rstrip("/"), match[2]), []).append(file)
    return [
        StagedIdentity(partition, identity, staging / partition / identity, files)
        for (partition, identity), files in found.items()
    ]


def staged_estimates(staging: Location) -> list[StagedIdentity]:
    """What estimates that were killed left: a private folder on a disk, one in `ESTIMATES` in an object store."""
    own = storage.private_folders(staging, ESTIMATE) if staging.is_local else []
    found = [_estimate(folder, storage.list_files(folder, recursive=True)) for folder in own]
    place = staging / ESTIMATES
    by_name: dict[str, list[FileInfo]] = {}
    for info in storage.list_files(place, recursive=True):
        name, _, below = _below(place, info).partition("/")
        if re.fullmatch("[0-9a-f]{32}", name) and below:
            by_name.setdefault(name, []).append(info)
    found += [_estimate(place / name, infos) for name, infos in by_name.items()]
    return [each for each in found if each.files]


def _estimate(folder: Location, infos: Sequence[FileInfo]) -> StagedIdentity:
    files = [StagedFile(info, _below(folder, info)) for info in infos]
    return StagedIdentity(ESTIMATES, folder.name, folder, files)


def _below(folder: Location, info: FileInfo) -> str:
    return info.uri.removeprefix(folder.uri.rstrip("/") + "/")


def named_identities(manifests: Sequence[str]) -> set[str]:
    """``<partition>/<identity>`` of manifests, by their URIs; whatever spelling the folder had."""
    found = (re.search(r"/((?:[^/=]+=[^/]*/)+[0-9a-f]{16})/manifests/\d+\.json$", uri) for uri in manifests)
    return {match[1] for match in found if match}
