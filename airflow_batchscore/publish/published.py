"""What a publication did, and what `CombineOperator` returns of it through XCom."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.schema_version import require_schema
from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.changes import Changes
from airflow_batchscore.publish.targets import PublishTarget

#: Incremented when the fields of `PublishedRun` change.
SCHEMA = 1


@dataclass(frozen=True)
class Published:
    """A publication that has ended.

    Attributes:
        target: where it went.
        partitions: number of the run's partitions.
        rows: of these.
    """

    target: PublishTarget
    partitions: int
    rows: int
    changes: Changes


@dataclass(frozen=True)
class Report:
    """Where the report of a publication lies.

    Attributes:
        page: the HTML page.
        facts: the same facts as JSON, on the same storage.
        digest: SHA-256 of the page.
    """

    page: Location
    facts: Location
    digest: str


@dataclass(frozen=True)
class PublishedRun:
    """What the publishing task returns: counts for people, and its report.

    Attributes:
        output: URI.
        rows, partitions: of the run.
        added, replaced, unchanged, kept, dropped: number of partitions; see `Changes`.
        table: `Table.to_dict` of a table; None for another output.
        version: of the table after the commit: a Delta version or an Iceberg snapshot, as text.
    """

    output: str
    rows: int
    partitions: int
    added: int
    replaced: int
    unchanged: int
    kept: int
    dropped: int
    report: Report
    table: JsonObject | None = None
    version: str = ""

    @classmethod
    def of(cls, published: Published, report: Report) -> PublishedRun:
        """The counts of a publication."""
        counts = {what: len(keys) for what, keys in published.changes.to_dict().items()}
        table, version = published.target.table, published.changes.version
        return cls(
            published.target.location.uri,
            published.rows,
            published.partitions,
            **counts,
            report=report,
            table=table.to_dict() if table else None,
            version=version,
        )

    def to_dict(self) -> JsonObject:
        """Plain JSON; the report's fields stand beside the counts."""
        own = {"report"} if self.table else {"report", "table", "version"}
        counts = {name: value for name, value in asdict(self).items() if name not in own}
        return {
            "schema": SCHEMA,
            **counts,
            "report": self.report.page.uri,
            "report_conn_id": self.report.page.conn_id,
            "report_digest": self.report.digest,
            "summary": self.report.facts.uri,
        }

    @classmethod
    def from_dict(cls, value: JsonMapping) -> PublishedRun:
        """Raises InputError for one that another version of this package returned."""
        require_schema(
            value, SCHEMA, "the report was written", "clear the publishing task, so that this version writes it again"
        )
        page = Location(value["report"], value["report_conn_id"])
        report = Report(page, page.at(value["summary"]), value["report_digest"])
        fields = {name: value[name] for name in cls.__dataclass_fields__ if name in value and name != "report"}
        return cls(**fields, report=report)
