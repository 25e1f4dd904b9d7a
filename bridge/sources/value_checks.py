"""Problems with a value at its source, or with a variable where it is used."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateObject
from bridge.errors import Problem
from bridge.secret import SecretValue
from bridge.sources.document import STAND_IN, Source
from bridge.sources.env_layer import claims
from bridge.sources.lookup import LAST, FoundValue

_CREDENTIAL: Final = r"\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|JWT|KEY)\w*"
_LOGIN: Final = rf"""
    (?: VAULT | BAO ) _ (?: {_CREDENTIAL} | ROLE_ID )
    | (?: SCW | AWS | AZURE | ARM | GOOGLE | CLOUDSDK ) _ {_CREDENTIAL}
    | SOPS_ (?: AGE_ (?: KEY | SSH ) \w* | {_CREDENTIAL} )
    | (?: CI | GITLAB | GITHUB | GH | ACTIONS | ARGOCD | BITBUCKET | CIRCLE | SYSTEM | JENKINS ) _ {_CREDENTIAL}
    | (?: KUBE | K8S | KUBERNETES ) \w* (?: TOKEN | PASSWORD ) \w*
    | KUBECONFIG | DOCKER_AUTH_CONFIG | DOCKER_PASSWORD | SSH_PRIVATE_KEY | NPM_TOKEN
    """


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


def is_login(name: str) -> bool:
    """Whether a process variable's name is that of a credential for a store, a cluster or a pipeline."""
    return re.fullmatch(_LOGIN, name, re.VERBOSE | re.ASCII) is not None


def logins_in_objects(
    environment: Environment, templates: Sequence[TemplateObject], found: Mapping[str, FoundValue | None]
) -> Iterator[Problem]:
    """Yield the keys that would get such a credential with `env_file: environment`.

    A ConfigMap must never get one. A Secret may get one from a source, or if `infrastructure` lists it as secret.
    `found` says where each variable comes from. It does not matter for a ConfigMap, so that a check without the
    variables reports the same.
    """
    if environment.env_file != "environment":
        return
    for template in templates:
        public = template.id.kind == "ConfigMap"
        for key, template_key in template.keys.items():
            for name in dict.fromkeys(part.name for part in template_key.parts if isinstance(part, Placeholder)):
                place = found.get(name)
                inherited = place is not None and place.position == LAST
                declared = environment.infrastructure.get(name) == "secret"  # never allowed in a ConfigMap
                if is_login(name) and not declared and (public or inherited):
                    what = f"${{{name}}} is a credential of bridge or the pipeline, from the process's environment"
                    hint = "use a variable with another name"
                    hint += "" if public else f", or list it under `infrastructure`: {name}: secret"
                    yield Problem(f"{template.id} key {key}", what, hint)
