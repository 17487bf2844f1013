"""A listing of a staging folder finds every identity, its state by its manifests, and nothing of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import good_rows, small

from airflow_batchscore.data.storage import Location
from airflow_batchscore.publish.staged import named_identities, staged_identities
from airflow_batchscore.scoring.manifest_numbers import revoke

pytestmark = pytest.mark.unit


def test_identities_and_their_states(tmp_path: Path) -> None:
    data = small(tmp_path)
    data.add(1, [*good_rows(30, 1000), (9, "x", 1, 0)])
    ((manifest, _),) = data.score(1, block_rows=10)
    folder = Path(manifest.folder.uri)
    (folder / "mine.txt").write_text("not ours")
    (tmp_path / "staged/_runs").mkdir()
    (tmp_path / "staged/_runs/0123456789abcdef").write_text("{}")
    (found,) = staged_identities(Location(f"{tmp_path}/staged"))
    assert (found.partition, found.identity, found.number) == ("p=1", folder.name, 1)
    assert found.committed_ns == Path(manifest.uri).stat().st_mtime_ns
    names = {file.below for file in found.files}
    assert {"manifests/000001.json", "blocks-shared.json", *(block.part for block in manifest.blocks)} < names
    assert any(name.startswith("quarantine/part-") for name in names)
    assert "mine.txt" not in names
    assert revoke(found.folder, 1)
    assert not revoke(found.folder, 1)
    (found,) = staged_identities(Location(f"{tmp_path}/staged"))
    assert (found.number, found.committed_ns, found.is_removed) == (2, None, False)


def test_the_identities_of_manifests_by_their_uris() -> None:
    uris = ["s3a://x/staged/a=1/b=x%2Fy/0123456789abcdef/manifests/000001.json", "/x/manifests/000001.json", "else"]
    assert named_identities(uris) == {"a=1/b=x%2Fy/0123456789abcdef"}


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert staged_identities(Location(f"{tmp_path}/nothing")) == []
