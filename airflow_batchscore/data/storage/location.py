"""`Location`: a place on storage with the connection that reaches it. Free of Airflow."""

from __future__ import annotations

from dataclasses import dataclass

from airflow_batchscore.data.storage import uris


@dataclass(frozen=True)
class Location:
    """A file or folder on storage. In a text it stands as its URI.

    Attributes:
        conn_id: name under which the connection is registered (see `credentials`); None for a storage without one, such
            as a disk, or for the worker's own identity.
    """

    uri: str
    conn_id: str | None = None

    def __str__(self) -> str:
        return self.uri

    @property
    def described(self) -> str:
        """The URI, and its connection if it has one: for messages about who may use which."""
        return f"{self.uri} by {self.conn_id}" if self.conn_id else self.uri

    def __truediv__(self, name: str) -> Location:
        """What lies below this folder."""
        return self.at(uris.join(self.uri, name))

    def at(self, uri: str) -> Location:
        """Another place that the same connection reaches."""
        return Location(uri, self.conn_id)

    def beside(self, *names: str) -> Location:
        """A place in the folder of this file, whose URI may be a bare name."""
        return self.at(self.uri[: self.uri.rfind("/") + 1] + "/".join(names))

    @property
    def parent(self) -> Location:
        """The folder that holds it."""
        return self.at(uris.parent(self.uri))

    @property
    def name(self) -> str:
        """The last segment of the URI."""
        return self.uri.rpartition("/")[2]

    @property
    def is_local(self) -> bool:
        """Whether it lies on a local (or mounted) disk."""
        return uris.is_local(self.uri)

    def is_within(self, folder: Location) -> bool:
        """Whether it is `folder` or lies below it, reached by the same connection; on a disk, with links resolved.

        The same URI through another connection can mean another server.
        """
        return self.conn_id == folder.conn_id and uris.is_within(self.uri, folder.uri)
