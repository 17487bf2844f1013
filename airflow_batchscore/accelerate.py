"""Compiles a model version that exists.

    python -m airflow_batchscore.accelerate s3://models/wta@champion --alias champion

The model is read, and written beside itself as a version of its own, through the machine's own credentials. The
compiled trees are checked on the data that it was trained on, or on others that ``--dataset`` names; a version that is
compiled already is not checked again. In an environment that requires signatures, ``BATCHSCORE_SIGNING_KEY`` holds the
key.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 if the model stays as it is."""
    parser = argparse.ArgumentParser(
        prog="python -m airflow_batchscore.accelerate", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("model", help="<uri>@<alias>, or <uri>/<version>")
    parser.add_argument("--dataset", help="URI with fields; that of the training data if left out")
    parser.add_argument("--partitions", help="such as 2000..2016; those that it was trained on if left out")
    parser.add_argument(
        "--read-options", default={}, type=_read_options, help="those of its PartitionedDataset, as JSON; not recorded"
    )
    parser.add_argument("--alias", help="name to point at the compiled version")
    asked = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)

    from airflow_batchscore.data.dataset import PartitionedDataset
    from airflow_batchscore.errors import BatchScoreError, InputError
    from airflow_batchscore.model.artifact import read_manifest
    from airflow_batchscore.model.reference import alias_uri, resolve, set_alias
    from airflow_batchscore.model.trust import ModelAccess, Trust
    from airflow_batchscore.training.compile_version import compile_version

    began = time.time_ns()
    key = os.environ.get("BATCHSCORE_SIGNING_KEY", "").encode() or None
    trust = Trust(key=key, require_signature=key is not None)
    try:
        ref = resolve(asked.model, ModelAccess(trust=trust))
        if asked.alias:
            alias_uri(ref.location.parent.uri, asked.alias)  # refuses a name that cannot be one before the work
        dataset = asked.dataset or read_manifest(ref).training.dataset
        made = compile_version(
            ref, PartitionedDataset(dataset, read_options=asked.read_options), asked.partitions, trust=trust
        )
        if made.reused and (asked.dataset or asked.partitions):
            print(
                f"{made.ref.uri} exists already: it was checked when it was compiled, and --dataset and --partitions "
                "were not read now. Leave them out to use it",
                file=sys.stderr,
            )
            return 1
        if made.reused:
            print("The version exists already. It was checked when it was compiled, not now", file=sys.stderr)
        if asked.alias:
            set_alias(made.ref.location.parent.uri, asked.alias, made.ref, began)
    except BatchScoreError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        if isinstance(error, InputError) and not asked.read_options:
            print("If the model was trained with read_options, give them as --read-options", file=sys.stderr)
        return 1
    print(made.ref.uri)
    return 0


def _read_options(text: str) -> dict[str, object]:
    try:
        options = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON ({error})") from error
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f"""{text!r} is no JSON object, such as {{"delimiter": ";"}}""")
    return options


if __name__ == "__main__":
    sys.exit(main())
