from __future__ import annotations

import pytest

from airflow_batchscore.data.segments import require_plain
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "uri",
    [
        "s3://models/wta",
        "s3://models/wta/",
        "file:///srv/models/wta",
        "/srv/models/wta",
        "models/wta",
        "~/models/wta",
        "gs://models/t%2F1",
        "gs://models/t%252F1/v1",
        "s3://models/device=%2E%2E/v1",
        "s3://models/100%/a..b/...",
        "s3://tennis/{device}/year={year}/",
        "abfs://models@store.dfs.core.windows.net/wta@champion",
    ],
)
def test_names_are_taken_as_they_are(uri: str) -> None:
    require_plain(uri, "model")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://models/wta/../other",
        "s3://models/..",
        "../models",
        "..",
        ".",
        "",
        "/",
        "./models",
        "/srv/models/./wta",
        "s3://models//wta",
        "s3:///models/wta",
        "//server/share",
        "file:////srv/models",
        "s3://models/wta//",
        "s3://",
    ],
)
def test_segments_that_are_no_names_are_refused(uri: str) -> None:
    with pytest.raises(InputError, match="model .* segment"):
        require_plain(uri, "model")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://models/%2e%2E/other",
        "s3://models/.%2e/other",
        "s3://models/%252e%252e/other",
        "s3://models/%25252525252e%2e/other",
        "s3://models/t%2F..%2F..%2Fother",
        "s3://models/t%2F",
        "s3://models/t%252F%252E%252E",
        "s3://models/%2F",
        "s3://models/%5C..%5Cother",
        "s3://models\\other",
        "s3://models/a%00b",
        "s3://models/a\nb",
        "s3://models/a%0Ab",
        "s3://models/a\x85b",
        "s3://models/%" + "25" * 50_000 + "2e",
    ],
)
def test_what_decodes_to_no_name_is_refused(uri: str) -> None:
    with pytest.raises(InputError, match="model .*decoded|percent-encoded more than"):
        require_plain(uri, "model")
