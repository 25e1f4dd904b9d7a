"""What speaks against a value where it is, or against a variable where it is used."""

from collections.abc import Iterator, Mapping, Sequence

from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateObject
from bridge.errors import Problem
from bridge.secret import SecretValue
from bridge.sources.document import Source
from bridge.sources.env_layer import claims
from bridge.sources.offline import STAND_IN


def unknown_manifest_keys(sources: Sequence[Source], templates: Sequence[TemplateObject]) -> Iterator[Problem]:
    """Yield the keys that a manifest gives and no template has: a typing error, or a forgotten template."""
    known = {(template.id, key) for template in templates for key in template.keys}
    for source in sources:
        for id_, key in sorted(source.keys - known):
            what = f"{id_} key {key} is in no template"
            yield Problem(source.name, what, "add it to a template, or remove it here")


def secrets_in_public(templates: Sequence[TemplateObject], infrastructure: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each variable that fills a Secret's key, or is a secret by declaration, and a ConfigMap's key too."""
    uses: dict[str, dict[str, str]] = {}
    for template in templates:
        for key, given in template.keys.items():
            for part in given.parts:
                if isinstance(part, Placeholder):
                    uses.setdefault(part.name, {}).setdefault(template.id.kind, f"{template.id} key {key}")
    for name, kinds in uses.items():
        secret = kinds.get("Secret") or ("infrastructure" if infrastructure.get(name) == "secret" else None)
        if secret and "ConfigMap" in kinds:
            what = f"${{{name}}} is secret ({secret}) and would be public there"
            yield Problem(kinds["ConfigMap"], what, "use two variables")


def of_others(sources: Sequence[Source], environment: str, namespace: str) -> Iterator[Problem]:
    """Yield the sources that call themselves another environment's, as the env file may: a wrong path, or a copy."""
    for name, what, ours in claims(environment, namespace):
        for source in sources:
            found = source.fields.get(name)
            if found is STAND_IN or not isinstance(found, SecretValue):
                continue
            if not found.same_as(SecretValue.of(ours)):
                yield Problem(source.name, f"{name} names another {what} than {ours}", "is it the right document?")
