"""What bridge or a pipeline logs in with is in the process's environment, and does not belong into an object."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateObject
from bridge.errors import Problem
from bridge.sources.lookup import LAST, Found

_CREDENTIAL: Final = r"\w*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|JWT|KEY)\w*"
_LOGIN: Final = re.compile(
    rf"""
    (?: VAULT | BAO ) _ (?: {_CREDENTIAL} | ROLE_ID )
    | (?: SCW | AWS | AZURE | ARM | GOOGLE | CLOUDSDK ) _ {_CREDENTIAL}
    | SOPS_ (?: AGE_ (?: KEY | SSH ) \w* | {_CREDENTIAL} )
    | (?: CI | GITLAB | GITHUB | GH | ACTIONS | ARGOCD | BITBUCKET | CIRCLE | SYSTEM | JENKINS ) _ {_CREDENTIAL}
    | (?: KUBE | K8S | KUBERNETES ) \w* (?: TOKEN | PASSWORD ) \w*
    | KUBECONFIG | DOCKER_AUTH_CONFIG | DOCKER_PASSWORD | SSH_PRIVATE_KEY | NPM_TOKEN
    """,
    re.VERBOSE | re.ASCII,
)


def is_login(name: str) -> bool:
    """Return whether a variable of the process is by its name a credential of a store, a cluster or a pipeline."""
    return _LOGIN.fullmatch(name) is not None


def logins_in_objects(
    environment: Environment, templates: Sequence[TemplateObject], found: Mapping[str, Found | None]
) -> Iterator[Problem]:
    """Yield the keys that would get such a credential, with `env_file: environment`.

    A ConfigMap never gets one. A Secret gets one that a source gives, or that `infrastructure` lists as secret.
    `found` says where each variable comes from; for a ConfigMap it does not matter, so that a check without the
    variables finds the same.
    """
    if environment.env_file != "environment":
        return
    for template in templates:
        public = template.id.kind == "ConfigMap"
        for key, given in template.keys.items():
            for name in dict.fromkeys(part.name for part in given.parts if isinstance(part, Placeholder)):
                place = found.get(name)
                inherited = place is not None and place.position == LAST
                declared = environment.infrastructure.get(name) == "secret"  # which no ConfigMap gets
                if is_login(name) and not declared and (public or inherited):
                    what = f"${{{name}}} is what bridge or a pipeline logs in with, in the process's environment"
                    hint = "use a variable of another name"
                    hint += "" if public else f", or list it under `infrastructure`: {name}: secret"
                    yield Problem(f"{template.id} key {key}", what, hint)
