"""The single access point to bytes: local and mounted disks, and a driver per kind of store. Free of Airflow.

To add one: docs/adding/storage.md.
"""

from airflow_batchscore.data.storage.driver import Stamp
from airflow_batchscore.data.storage.files import (
    FileInfo,
    atomic_file,
    create_bytes,
    delete,
    each,
    filesystem,
    json_bytes,
    list_files,
    parse_json,
    private_folder,
    private_folders,
    read_bytes,
    read_json,
    stat,
    sweep,
    write_bytes,
    write_json,
)
from airflow_batchscore.data.storage.location import Location
from airflow_batchscore.data.storage.uris import is_local, is_within, join, locate, parent, real, split_scheme

__all__ = [
    "FileInfo",
    "Location",
    "Stamp",
    "atomic_file",
    "create_bytes",
    "delete",
    "each",
    "filesystem",
    "is_local",
    "is_within",
    "join",
    "json_bytes",
    "list_files",
    "locate",
    "parent",
    "parse_json",
    "private_folder",
    "private_folders",
    "read_bytes",
    "read_json",
    "real",
    "split_scheme",
    "stat",
    "sweep",
    "write_bytes",
    "write_json",
]
