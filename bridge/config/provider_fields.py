"""The fields of a provider's class, which are the keys of its section in the environment's file."""

from collections.abc import Mapping


def provider_fields(type_: type) -> Mapping[str, bool] | None:
    """Return each field's name and whether it is required, or None if `type_` is no dataclass and no NamedTuple."""
    if issubclass(type_, tuple) and hasattr(type_, "_field_defaults"):
        return {name: name not in type_._field_defaults for name in getattr(type_, "_fields", ())}
    # Start-up: with `inspect`, this is a tenth of a run. The providers that come with bridge do without it if they can.
    from dataclasses import MISSING, fields, is_dataclass  # noqa: PLC0415 - start-up, as above

    if not is_dataclass(type_):
        return None
    return {
        field.name: field.default is MISSING and field.default_factory is MISSING
        for field in fields(type_)
        if field.init
    }
