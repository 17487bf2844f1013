"""A layout (the blocks a partition was cut into) as JSON, passed from one attempt to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from airflow_batchscore.data.formats.base import Block, Source
from airflow_batchscore.data.json_types import JsonMapping, JsonObject
from airflow_batchscore.data.storage import Stamp

_LATER = frozenset({"given", "given_types", "only"})


def layout_to_json(blocks: Sequence[Block]) -> JsonObject:
    sources = list(dict.fromkeys(block.source for block in blocks))
    place = {source: number for number, source in enumerate(sources)}
    return {
        # Not `asdict` of a source, which copies every column and key: slow where there are many files.
        "sources": [_source(source) for source in sources],
        "blocks": [
            [place[block.source], block.start, block.stop, *block.rows, *([block.before] if block.before else [])]
            for block in blocks
        ],
    }


def _source(source: Source) -> JsonObject:
    """What is not used is left out, so that layouts of before it existed keep their digest."""
    kept = {name: value for name, value in vars(source).items() if value or name not in _LATER}
    return {**kept, "stamp": asdict(source.stamp)}


def layout_from_json(value: JsonMapping) -> list[Block]:
    sources = [
        Source(
            **{
                **s,
                "columns": tuple(s["columns"]),
                "keys": tuple(map(tuple, s["keys"])),
                **{name: tuple(map(tuple, s[name])) for name in _LATER if name in s},
                "stamp": Stamp(**s["stamp"]),
            }
        )
        for s in value["sources"]
    ]
    return [
        Block(index, sources[place], start, stop, (first, last), *before)
        for index, (place, start, stop, first, last, *before) in enumerate(value["blocks"])
    ]
