"""Finds credentials of bridge or of a pipeline in the process's environment that would end up in an object."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateObject
from bridge.errors import Problem
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
