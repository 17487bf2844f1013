"""What a case of the fuzzer is, the tables that it stands for, and how they are written."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

#: Those that ``columns=`` names in a case that names them.
COLUMNS_READ = ("uid", "x", "y", "f", "t", "w", "label")
TRAINING_ROWS = 60
COLUMNS = ("uid", "k", "x", "y", "f", "t", "w", "label")
Row = dict[str, Any]

_TEXTS = ["NA", "nan", "null", "None", "", "00123", "12E3", "+49170", "1.0", "-0", "TRUE", "12345678901234567890"]
_TEXTS += ["12345678901234567891", "  pad ", "é ü 漢", "a,b", 'q"q', "2020-01-01", "1e400", "0x1F", "#N/A", "a;b"]
_EPOCH = dt.datetime(2020, 2, 28, 23, 59, 59)

#: Kinds of keys in CSV files: number of a row -> text of the cell.
CSV_KEYS: dict[str, Any] = {
    "texts": lambda n: _TEXTS[n % len(_TEXTS)],
    "lines": lambda n: "two\nlines" if n % 5 == 1 else _TEXTS[n % len(_TEXTS)],
    "leading zeros": lambda n: f"{n:05d}",
    "twenty digits": lambda n: str(12345678901234567000 + n),
    "over 2^53": lambda n: str(2**53 + n),
    "plus": lambda n: f"+{49170 + n}",
    "floats": lambda n: f"{n / 8}",
    "exponents": lambda n: f"{n}E3",
    "countries": lambda n: ["NA", "DE", "", "FR"][n % 4],
    "truths": lambda n: ["True", "false", ""][n % 3],
    "dates": lambda n: (_EPOCH + dt.timedelta(days=n)).date().isoformat(),
    "padded": lambda n: f" {n} ",
}
#: Kinds of keys in Parquet files: their type, and number of a row -> value.
PARQUET_KEYS: dict[str, tuple[pa.DataType, Any]] = {
    "int64": (pa.int64(), lambda n: 2**53 + n),
    "int64 with nulls": (pa.int64(), lambda n: None if n % 3 == 0 else 2**53 + n),
    "int16": (pa.int16(), lambda n: n - 20),
    "uint64": (pa.uint64(), lambda n: 2**63 + n),
    "float64": (pa.float64(), lambda n: [0.1 * n, float("nan"), None, -0.0][n % 4]),
    "float32": (pa.float32(), lambda n: n + 0.25),
    "float32 uneven": (pa.float32(), lambda n: float(np.float32(0.1 * n))),
    "bool": (pa.bool_(), lambda n: [True, False, None][n % 3]),
    "text": (pa.string(), lambda n: [*_TEXTS, None, "two\nlines"][n % (len(_TEXTS) + 2)]),
    "large text": (pa.large_string(), lambda n: _TEXTS[n % len(_TEXTS)]),
    "binary": (pa.binary(), lambda n: bytes([n % 256, 255])),
    "dictionary": (pa.dictionary(pa.int32(), pa.string()), lambda n: [*_TEXTS, None][n % (len(_TEXTS) + 1)]),
    "decimal": (pa.decimal128(20, 2), lambda n: None if n % 5 == 0 else decimal.Decimal(n) / 4),
    "timestamp s": (pa.timestamp("s"), lambda n: _EPOCH + dt.timedelta(days=n)),
    "timestamp us": (pa.timestamp("us"), lambda n: _EPOCH + dt.timedelta(days=n, microseconds=n)),
    "timestamp ns": (pa.timestamp("ns"), lambda n: 1_600_000_000_000_000_001 + n),
    "timestamp zone": (pa.timestamp("us", "Europe/Berlin"), lambda n: 1_600_000_000_000_000 + n * 3_600_000_000),
    "far dates": (pa.timestamp("us"), lambda n: dt.datetime(9999, 12, 31) if n % 3 else dt.datetime(1, 1, 1 + n % 28)),
    "date": (pa.date32(), lambda n: None if n % 7 == 0 else (_EPOCH + dt.timedelta(days=n)).date()),
    "time": (pa.time64("us"), lambda n: dt.time(n % 24, n % 60)),
    "list": (pa.list_(pa.int64()), lambda n: [n, None]),
}
NUMBERS = {"float64": pa.float64(), "float32": pa.float32(), "int8": pa.int8(), "int64": pa.int64()}
NUMBERS |= {"uint16": pa.uint16(), "uint64": pa.uint64()}
INDEX = ["", "uid", "x", "t", "w", "k", "sliced", "reversed", "every second", "two levels", "named range"]
BAD_LINES = ["text in x", "text in y", "too many fields", "too few fields"]


@dataclass(frozen=True)
class Case:
    """Everything that decides an example; the cells come from `seed`.

    Attributes:
        files: rows of each file of each scored partition.
        bad: what is put between the good lines of the first scored CSV file.
        style: of CSV files, how cells are quoted: ``""`` where needed, ``all``, ``text``.
        numbers: types of x and y in Parquet files.
        index: pandas metadata in Parquet files.
        again: what happens before a second run: nothing, ``same``, ``force`` or ``replaced``.
    """

    seed: int = 0
    form: str = "csv"
    files: tuple[tuple[int, ...], ...] = ((20,),)
    key: str = "texts"
    nulls: bool = True
    bad: tuple[str, ...] = ()
    style: str = ""
    ending: str = "\n"
    last_ending: bool = True
    mark: bool = False
    delimiter: str = ","
    newlines: bool = False
    typed_key: bool = False
    numbers: tuple[str, str] = ("float64", "float64")
    row_group: int = 100
    index: str = ""
    whole_cells: bool = False
    work: str = "model"
    steps: tuple[str, ...] = ()
    finish: str = "plain"
    columns: bool = False
    row_wise: bool = True
    target: str = "label"
    model: str = "tree"
    method: str = "predict"
    allow_nan: bool = False
    group_by: tuple[str, ...] = ("t",)
    block_rows: int = 1000
    limit: str = "1000"
    workers: int = 1
    processes: bool = False
    output: str = "out.parquet"
    again: str = ""

    def __str__(self) -> str:
        """What differs from the plainest case, as JSON that `from_text` takes."""
        default = Case()
        return json.dumps({n: value for n, value in asdict(self).items() if value != getattr(default, n)})

    @classmethod
    def from_text(cls, text: str) -> Case:
        def frozen(value: Any) -> Any:
            return tuple(map(frozen, value)) if isinstance(value, list) else value

        return cls(**{name: frozen(value) for name, value in json.loads(text).items()})

    @property
    def is_csv(self) -> bool:
        return self.form != "parquet"

    def rows(self, partition: int) -> list[list[Row]]:
        """Rows of each file of a partition; partition 0 is trained on."""
        chance = np.random.default_rng([self.seed, partition])
        counts = (TRAINING_ROWS // 2, TRAINING_ROWS // 2) if partition == 0 else self.files[partition - 1]
        number, files = 0, []
        for count in counts:
            places = range(number, number + count)
            files.append([self._row(chance, 10_000 * partition + n, n, odd=partition > 0) for n in places])
            number += count
        return files

    def _row(self, chance: np.random.Generator, uid: int, number: int, *, odd: bool) -> Row:
        """Training rows stay within what scored rows may leave: x and y beyond, a 3, another text."""
        far = odd and chance.random() < 0.05
        whole = (self.is_csv, self.numbers) != (False, ("float64", "float64")) and self.numbers[0][0] in "iu"
        x = float(chance.integers(0, 40)) if whole else float(chance.integers(-16, 17)) / 4
        if x == 0 and not whole and chance.random() < 0.5:
            x = -0.0
        row: Row = {
            "uid": f"r{uid}" if self.seed % 2 else uid,
            "k": self.key_value(number),
            "x": x + 60 if far else x,
            "y": float(chance.choice([0, 1, 2, 4, 5])),
            "f": bool(chance.random() < 0.5),
            "t": str(chance.choice(["a", "b", "x,y", "é"])),
            "w": _EPOCH + dt.timedelta(days=int(chance.integers(0, 900))),
            "label": int(x + chance.normal() > (20 if whole else 0)),
        }
        if odd and chance.random() < 0.04:
            row["y"] = 3.0
        if odd and chance.random() < 0.04:
            row["t"] = str(chance.choice([" a ", 'q"q', "NA", "A", "new"]))
        for name in "xyftw" if self.nulls else "":
            if chance.random() < 0.12:
                row[name] = None
        return row

    def key_value(self, number: int) -> Any:
        return CSV_KEYS[self.key](number) if self.is_csv else PARQUET_KEYS[self.key][1](number)

    @property
    def read_options(self) -> dict[str, Any]:
        if not self.is_csv:
            return {}
        options: dict[str, Any] = {}
        if self.delimiter != ",":
            options["delimiter"] = self.delimiter
        if self.newlines:
            options["newlines_in_values"] = True
        types = {"k": "int64"} if self.typed_key else {}
        if self.bad and self.work in ("function", "groups"):  # no training says what the columns should be
            types |= {"x": "float64", "y": "float64"}
        return {**options, "column_types": types} if types else options
