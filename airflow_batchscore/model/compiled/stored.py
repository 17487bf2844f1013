"""The file of a compiled model: nodes, and what is done before and after adding them up. Numbers only, no code."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from airflow_batchscore.errors import ModelError
from airflow_batchscore.model.compiled.ensembles import Ensemble
from airflow_batchscore.model.compiled.nodes import Nodes, nodes_of
from airflow_batchscore.model.compiled.splits import thresholds_of

if TYPE_CHECKING:
    import numpy as np

SUFFIX = "onedal"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Header:
    """How the sums of trees become results.

    Attributes:
        features: number of input columns.
        base, divisor: added to each output's sum after it is divided.
        link, slope, rounds, single, zero: see `Ensemble`.
        missing: whether rows with NaN are compiled; otherwise the library gets them, and may refuse them.
        methods: the estimator's methods that are compiled -> dtype of their results.
    """

    features: int
    base: tuple[float, ...]
    divisor: float
    link: str
    slope: float
    rounds: bool
    single: bool
    zero: float
    missing: bool
    methods: dict[str, str]
    format: int = _FORMAT


@dataclass(frozen=True)
class Stored:
    """The content of the file.

    Attributes:
        thresholds: see `thresholds_of`.
    """

    header: Header
    thresholds: list[np.ndarray]
    nodes: Nodes

    @classmethod
    def of(cls, ensemble: Ensemble, methods: dict[str, str], *, missing: bool) -> Stored:
        """Compile an ensemble. Raises NotCompiledError if float32 cannot tell its thresholds apart."""
        thresholds = thresholds_of(ensemble)
        per_output = len(ensemble.trees) / len(ensemble.base)
        header = Header(
            features=ensemble.features,
            base=tuple(0.0 for _ in ensemble.base) if ensemble.single else ensemble.base,
            divisor=per_output if ensemble.averaged else 1.0,
            link=ensemble.link,
            slope=ensemble.slope,
            rounds=ensemble.rounds,
            single=ensemble.single,
            zero=ensemble.zero,
            missing=missing,
            methods=methods,
        )
        return cls(header, thresholds, nodes_of(ensemble))

    def to_bytes(self) -> bytes:
        import numpy as np

        arrays = {"header": np.frombuffer(json.dumps(asdict(self.header)).encode(), np.uint8)}
        arrays |= {f"thresholds{place}": values for place, values in enumerate(self.thresholds)}
        arrays |= vars(self.nodes)
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Stored:
        """The inverse of `to_bytes`. Raises ModelError for what another version of this package wrote."""
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            value = json.loads(arrays["header"].tobytes())
            if value.get("format") != _FORMAT:
                raise ModelError(
                    f"the compiled model has format {value.get('format')!r}, this version reads {_FORMAT}: compile it "
                    "again"
                )
            header = Header(**{**value, "base": tuple(value["base"])})
            thresholds = [arrays[f"thresholds{place}"] for place in range(header.features)]
            nodes = Nodes(*(arrays[field.name] for field in fields(Nodes)))
        return cls(header, thresholds, nodes)
