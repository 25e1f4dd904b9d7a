"""A provider's fields, whatever makes them: a dataclass or a NamedTuple."""

from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import pytest

from bridge.config.environment_fields import provider_fields
from bridge_providers.scaleway import Scaleway
from bridge_providers.sops import Sops


@dataclass(frozen=True)
class Data:
    address: str
    mount: str = "secret"
    auth: tuple[str, ...] = field(default_factory=tuple)
    made: str = field(init=False, default="")
    concurrency: ClassVar[int] = 1


class Fields(NamedTuple):
    address: str
    mount: str = "secret"


class Tuple(Fields):
    __slots__ = ()
    concurrency: ClassVar[int] = 1


class Neither:
    address: str


def test_fields_of_dataclass_without_those_that_it_makes_itself() -> None:
    assert provider_fields(Data) == {"address": True, "mount": False, "auth": False}


@pytest.mark.parametrize("type_", [Fields, Tuple])
def test_fields_of_named_tuple(type_: type) -> None:
    assert provider_fields(type_) == {"address": True, "mount": False}


@pytest.mark.parametrize("type_", [Neither, tuple, dict])
def test_type_without_declared_fields_is_no_provider(type_: type) -> None:
    assert provider_fields(type_) is None


@pytest.mark.parametrize("type_", [Sops, Scaleway])
def test_bundled_provider_is_shown_and_compared_by_its_fields(type_: type) -> None:
    (name, *_) = provider_fields(type_) or ()
    value = "key.txt" if type_ is Sops else "fr-par"
    assert type_(**{name: value}) == type_(value)
    assert type_(**{name: value}) != type_()
    assert repr(type_(value)).startswith(f"{type_.__name__}({name}='{value}', ")
