"""File formats, one prefix for each (`csv_`, `parquet_`, `jsonl_`, `orc_`). To add one: docs/adding/format.md."""
