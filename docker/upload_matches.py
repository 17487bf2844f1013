"""Upload the WTA matches to the bucket, with Airflow's own hook and connection.

usage: upload_matches.py FOLDER S3_PREFIX      the real files of FOLDER, or synthetic ones of the same schema
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from wta_data import make_matches


def main() -> None:
    folder, prefix = Path(sys.argv[1]), sys.argv[2].rstrip("/")
    bucket, _, path = prefix.removeprefix("s3://").partition("/")
    hook = S3Hook("aws_default")
    if not hook.check_for_bucket(bucket):
        hook.create_bucket(bucket)
    with tempfile.TemporaryDirectory() as made:
        files = sorted(folder.glob("wta_matches_*.csv"))
        if not files:
            make_matches(Path(made))
            files = sorted(Path(made).glob("wta_matches_*.csv"))
        for file in files:
            hook.load_file(str(file), f"{path}/{file.name}", bucket, replace=True)
        print(f"uploaded {len(files)} files of {files[0].parent} to {prefix}")


if __name__ == "__main__":
    main()
