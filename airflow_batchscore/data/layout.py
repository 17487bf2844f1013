"""A layout (the blocks that a partition was cut into) as the JSON that an attempt leaves to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from airflow_batchscore.data.blocks import Block, Source
from airflow_batchscore.data.storage import Stamp


def layout_to_json(blocks: Sequence[Block]) -> dict[str, Any]:
    sources = list(dict.fromkeys(block.source for block in blocks))
    place = {source: number for number, source in enumerate(sources)}
    return {
        "sources": [asdict(source) for source in sources],
        "blocks": [[place[block.source], block.start, block.stop, *block.rows] for block in blocks],
    }


def layout_from_json(value: Mapping[str, Any]) -> list[Block]:
    sources = [
        Source(
            **{
                **s,
                "columns": tuple(s["columns"]),
                "keys": tuple(map(tuple, s["keys"])),
                "stamp": Stamp(**s["stamp"]),
            }
        )
        for s in value["sources"]
    ]
    return [
        Block(index, sources[place], start, stop, (first, last))
        for index, (place, start, stop, first, last) in enumerate(value["blocks"])
    ]
