"""The rule of every door: what other packages offer is found by name, and is checked when it is used."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path

import packages
import pytest

from airflow_batchscore.entry_points import Door
from airflow_batchscore.errors import InputError

pytestmark = pytest.mark.unit

GROUP = "airflow_batchscore.test_lamps"


class Lamp(ABC):
    @abstractmethod
    def light(self) -> str: ...


class Candle(Lamp):
    def __init__(self, colour: str = "white") -> None:
        self.colour = colour

    def light(self) -> str:
        return self.colour


LIT = Candle("blue")
DOOR = Door(GROUP, Lamp, InputError, frozenset({"bulb", ".bulb"}))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> packages.Install:
    """Installs packages with entry points of this file's group."""
    return lambda name, **points: packages.install(monkeypatch, tmp_path / name, name, GROUP, points)


def test_a_class_is_made_and_an_object_stands_for_itself(site: packages.Install) -> None:
    site("lamps", candle=f"{__name__}:Candle", lit=f"{__name__}:LIT")
    assert sorted(DOOR.offered()) == ["candle", "lit"]
    assert DOOR.make("candle", "the lamp", "red").light() == "red"
    assert DOOR.make("lit", "the lamp") is LIT


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("no_such_module:Lamp", r"the lamp cannot be imported from no_such_module:Lamp of the package lamps: .*No mod"),
        (f"{__name__}:Torch", r"cannot be imported from .*:Torch of the package lamps: AttributeError"),
        (f"{__name__}:Lamp", r"the lamp: .*:Lamp of the package lamps cannot be made: .*abstract.*light"),
        ("builtins:dict", r"builtins:dict of the package lamps is not a class that derives from Lamp"),
        ("os:abort", r"os:abort of the package lamps is not a class that derives from Lamp"),
    ],
)
def test_what_cannot_be_used_is_an_error_that_names_its_package(
    site: packages.Install, path: str, message: str
) -> None:
    site("lamps", odd=path)
    with pytest.raises(InputError, match=message):
        DOOR.make("odd", "the lamp")


def test_an_object_does_not_stand_for_one_that_is_made_with_arguments(site: packages.Install) -> None:
    site("lamps", lit=f"{__name__}:LIT")
    with pytest.raises(InputError, match="LIT of the package lamps is not a class that derives from Lamp"):
        DOOR.make("lit", "the lamp", "red")


def test_a_name_that_two_packages_claim_is_refused_when_it_is_used(site: packages.Install) -> None:
    site("one", lit=f"{__name__}:LIT", candle=f"{__name__}:Candle")
    site("two", lit=f"{__name__}:Candle", candle=f"{__name__}:Candle")
    with pytest.raises(
        InputError, match=r"the lamp: several .* \(.*:Candle of two, .*:LIT of one\); uninstall all but"
    ):
        DOOR.make("lit", "the lamp")
    assert isinstance(DOOR.make("candle", "the lamp"), Candle), "the same class, installed twice, is no conflict"


def test_a_name_of_this_package_is_not_offered_and_the_log_says_so(
    site: packages.Install, caplog: pytest.LogCaptureFixture
) -> None:
    site("lamps", bulb=f"{__name__}:Candle")
    with caplog.at_level(logging.WARNING):
        assert not DOOR.offered()
    assert f"bulb = {__name__}:Candle of the package lamps is ignored" in caplog.text


def test_the_longest_suffix_that_fits_is_found_and_nothing_is_imported(site: packages.Install) -> None:
    site(
        "lamps", **{".wax": "no_such_module:Lamp", ".bees.wax": "no_such_module:Lamp", "candle": "no_such_module:Lamp"}
    )
    names = ("a.wax", "a.bees.wax", "a.tar", "wax", "awax", "a.wax/", "the/candle")
    assert [DOOR.suffix_of(name) for name in names] == [".wax", ".bees.wax", None, None, None, None, None]


def test_a_suffix_without_its_dot_is_refused_where_it_would_be_used(site: packages.Install) -> None:
    site("lamps", wax=f"{__name__}:Candle")
    with pytest.raises(InputError, match=r"x\.wax: the package lamps registers .*'wax'.* must be named '\.wax'"):
        DOOR.suffix_of("x.wax")
