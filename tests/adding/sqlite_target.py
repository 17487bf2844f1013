import sqlite3
from collections.abc import Sequence
from contextlib import closing

from airflow_batchscore.data.storage import real
from airflow_batchscore.publish.changes import Changes, require_rows
from airflow_batchscore.publish.order import in_turn
from airflow_batchscore.publish.stamp import PartitionStamp, Publication, Statement
from airflow_batchscore.publish.table import ScoresTable
from airflow_batchscore.publish.targets import PublishTarget
from airflow_batchscore.scoring.manifest import Manifest


class SqliteTarget(PublishTarget):
    """A SQLite file on a disk, with the table ``scores``."""

    def publish(self, manifests: Sequence[Manifest], publication: Publication) -> Changes:
        uri = self.location.uri
        with closing(sqlite3.connect(real(uri), isolation_level=None, timeout=60)) as db:
            db.execute("BEGIN IMMEDIATE")  # one writer; an error before COMMIT undoes everything
            db.execute("CREATE TABLE IF NOT EXISTS batchscore (statement BLOB)")
            row = db.execute("SELECT statement FROM batchscore").fetchone()
            old = Statement.from_bytes(row[0], uri) if row else Statement({}, [])
            stamps = in_turn([PartitionStamp.of(one, publication) for one in manifests], old.by_key, publication, uri)
            changes = Changes.between(old.by_key, stamps, keep=not publication.replace_all)
            kept = [old.by_key[key] for key in changes.kept]
            table = ScoresTable.of(manifests, [stamp.columns for stamp in kept])
            stay = [] if publication.replace_all else [*changes.kept, *changes.unchanged]
            if not publication.replace_all:
                require_rows(stamps, old.by_key, uri, publication)
                table.require_same(old, stay, uri)
            if row and not stay:
                db.execute("DROP TABLE scores")
            if not stay:
                names = ", ".join(f'"{name}"' for name in ("partition_key", *table.types))
                db.execute(f"CREATE TABLE scores ({names})")
            for manifest in (one for one in manifests if one.key not in stay):
                db.execute("DELETE FROM scores WHERE partition_key = ?", [manifest.key])
                for part in table.read(manifest):
                    columns = [[manifest.key] * len(part), *(column.to_pylist() for column in part.columns)]
                    marks = ", ".join("?" * len(columns))
                    db.executemany(f"INSERT INTO scores VALUES ({marks})", zip(*columns, strict=True))
            db.execute("DELETE FROM batchscore")
            db.execute("INSERT INTO batchscore VALUES (?)", [Statement(table.types, [*kept, *stamps]).to_bytes()])
            db.execute("COMMIT")
        return changes
