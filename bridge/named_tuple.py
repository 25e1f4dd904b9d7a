"""`NamedTuple`, as in `typing`, but Python makes such a class in a fifth of the time.

A short run spends most of its time on imports, and imports about 75 of these classes. For each of them, `typing`
compiles a constructor, and every annotation that is a string. Here all classes begin with one constructor, and only
type checkers read the annotations: for them, this is the class of `typing`.
"""

from typing import TYPE_CHECKING, Final, NoReturn, Self

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple  # noqa: PLC0414, TID251 - the new name says that others may import it
else:
    from _collections import _tuplegetter as _field  # with which `collections.namedtuple` makes fields too
    from collections import namedtuple

    MANY: Final = 50
    """After so many calls of the slow constructor, a class gets one of its own, which is five times as fast."""

    class NamedTuple(tuple):
        """Base of immutable classes with named fields, which are their annotations; fields may have default values."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: dict[str, object] = {}  # noqa: RUF012 - named as in `typing`, and never changed
        _calls = 0

        def __init_subclass__(cls) -> None:
            if cls._fields:  # a class derived from one that has its fields only adds methods
                return
            names = cls._fields = cls.__match_args__ = tuple(cls.__annotations__)
            defaults = vars(cls)
            cls._field_defaults = {name: defaults[name] for name in names if name in defaults}
            for number, name in enumerate(names):
                setattr(cls, name, _field(number, None))

        def __new__(cls, *values: object, **named: object) -> Self:  # noqa: D102 - the class says it
            if named or len(values) != len(cls._fields):
                values = cls._completed(values, named)
            return tuple.__new__(cls, values)

        def __setattr__(self, name: str, value: object) -> NoReturn:
            raise AttributeError(f"{type(self).__name__} cannot be changed")

        @classmethod
        def _completed(cls, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
            """Return the value of each field; raise TypeError if a field has none or two, or does not exist."""
            cls._calls += 1
            if cls._calls == MANY:
                defaults = cls._field_defaults.values()
                quick = namedtuple(cls.__name__, cls._fields, defaults=defaults)  # noqa: PYI024 - for its constructor
                cls.__new__ = staticmethod(quick.__new__)
            left = cls._fields[len(values) :]
            known = cls._field_defaults | named
            if len(values) > len(cls._fields) or not named.keys() <= set(left) <= known.keys():
                raise TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
            return (*values, *[known[name] for name in left])

        def _replace(self, /, **changes: object) -> Self:
            """Return a copy with other values in some fields."""
            copy = tuple.__new__(type(self), map(changes.pop, self._fields, self))
            if changes:
                raise TypeError(f"{type(self).__name__} has no field {', '.join(changes)}")
            return copy

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)
