"""Problems with a value at its source, or with a variable where it is used."""

from collections.abc import Iterator, Mapping, Sequence

from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateObject
from bridge.errors import Problem
from bridge.secret import SecretValue
from bridge.sources.document import STAND_IN, Source
from bridge.sources.env_layer import claims


def unknown_manifest_keys(sources: Sequence[Source], templates: Sequence[TemplateObject]) -> Iterator[Problem]:
    """Yield the keys that a manifest gives but no template has: a typing error, or a forgotten template."""
    known = {(template.id, key) for template in templates for key in template.keys}
    for source in sources:
        for id_, key in sorted(source.keys - known):
            what = f"{id_} key {key} is not in any template"
            yield Problem(source.name, what, "add it to a template, or remove it from the source")


def secrets_in_public(templates: Sequence[TemplateObject], infrastructure: Mapping[str, str]) -> Iterator[Problem]:
    """Yield each variable that fills a ConfigMap's key although it also fills a Secret's key or is declared secret."""
    uses: dict[str, dict[str, str]] = {}
    for template in templates:
        for key, template_key in template.keys.items():
            for part in template_key.parts:
                if isinstance(part, Placeholder):
                    uses.setdefault(part.name, {}).setdefault(template.id.kind, f"{template.id} key {key}")
    for name, kinds in uses.items():
        secret = kinds.get("Secret") or ("infrastructure" if infrastructure.get(name) == "secret" else None)
        if secret and "ConfigMap" in kinds:
            what = f"${{{name}}} is secret ({secret}) and would become public here"
            yield Problem(kinds["ConfigMap"], what, "use two different variables")


def of_others(sources: Sequence[Source], environment: str, namespace: str) -> Iterator[Problem]:
    """Yield the sources that name another environment as their own, like an env file may: a wrong path, or a copy."""
    for name, what, ours in claims(environment, namespace):
        for source in sources:
            claimed = source.fields.get(name)
            if claimed is STAND_IN or not isinstance(claimed, SecretValue):
                continue
            if not claimed.same_as(SecretValue.of(ours)):
                yield Problem(
                    source.name, f"{name} names a different {what} than {ours}", "check that this is the right document"
                )
