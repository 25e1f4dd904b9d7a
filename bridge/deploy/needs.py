"""What each store needs from a pod: files, tokens, variables, and ports to reach it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from bridge.config.environment import Environment
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple

TOKEN: Final = PurePosixPath("/var/run/secrets/vault/token")
"""The path of a token for Vault, unless the environment's file gives another path."""
AWS_KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
KNOWN: Final = ("vault", "scaleway", "aws", "sops")
_VAULT_PORT: Final = 8200
_SCOPE: Final = {"region": re.compile(r"^[a-z]{2}-[a-z]{3}:"), "project_id": re.compile(r"[0-9a-f]{8}-", re.IGNORECASE)}
_CREDENTIALS: Final = ("client_key", "role_id_file", "secret_id_file", "password_file")


class Needs(NamedTuple):
    """What the environment's stores need. Paths are as written in the environment's file.

    `components` are in order; `bucket` is the value of `s3`, the object storage, or "".
    """

    components: tuple[str, ...]
    encrypted: tuple[str, ...]
    certificates: tuple[str, ...]
    tokens: tuple[PurePosixPath, ...]
    vault_port: int
    bucket: str
    bucket_port: int
    remarks: tuple[Problem, ...]

    @property
    def bucket_keys(self) -> tuple[str, str]:
        """Return the variables with the credential for the object storage."""
        is_scaleway = self.bucket in {"scaleway", ""}
        return ("SCW_ACCESS_KEY", "SCW_SECRET_KEY") if is_scaleway else AWS_KEYS


def needs(environment: Environment) -> Needs:
    """Examine every provider section that a reference uses."""
    sections = tuple(_sections(environment))
    paths = [(type_, options, path) for type_, options, _, path in sections]
    encrypted = [path for type_, _, path in paths if type_ == "sops" and not path.startswith("s3://")]
    objects = [options for type_, options, path in paths if type_ == "sops" and path.startswith("s3://")]
    vaults = {name: options for type_, options, name, _ in sections if type_ == "vault"}
    types = {type_ for type_, *_ in sections}
    components = [one for one in KNOWN if one in types] + (["bucket"] if objects else [])
    bucket = str(objects[0].get("s3", "")) if objects else ""
    tokens = [token for options in vaults.values() for token in _tokens(options)]
    addresses = [str(options["address"]) for options in vaults.values() if "address" in options]
    remarks = (*_vault_remarks(environment, vaults), *_other_remarks(environment, sections))
    return Needs(
        tuple(components),
        tuple(dict.fromkeys(encrypted)),
        tuple(dict.fromkeys(one for options in vaults.values() for one in _certificates(options))),
        tuple(dict.fromkeys(tokens)),
        _port(addresses[0], _VAULT_PORT) if addresses else _VAULT_PORT,
        bucket,
        _port(bucket, 443),
        remarks,
    )


def _sections(environment: Environment) -> Iterator[tuple[str, Mapping[str, object], str, str]]:
    """Yield type, fields, name and path of every document's provider."""
    for reference in dict.fromkeys(one.document for one in environment.references):
        options = environment.providers.get(reference.provider, {})
        yield environment.provider_kind(reference.provider), options, reference.provider, reference.path


def _methods(options: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    auth = options.get("auth", ())
    listed = [auth] if isinstance(auth, Mapping) else auth if isinstance(auth, list | tuple) else []
    return tuple(one for one in listed if isinstance(one, Mapping))


def _tokens(options: Mapping[str, object]) -> Iterator[PurePosixPath]:
    for method in _methods(options):
        file = method.get("token_file")
        if isinstance(file, str) and file.startswith("/") and method.get("method") in {"kubernetes", "jwt"}:
            yield PurePosixPath(file)


def _certificates(options: Mapping[str, object]) -> Iterator[str]:
    for field in ("ca_cert", "client_cert"):
        file = options.get(field)
        if isinstance(file, str) and not file.startswith("/"):
            yield file


def _port(address: str, default: int) -> int:
    try:
        parts = urlsplit(address)
        return parts.port or {"https": 443, "http": 80}.get(parts.scheme, default)
    except ValueError:
        return default


def _vault_remarks(environment: Environment, vaults: Mapping[str, Mapping[str, object]]) -> Iterator[Problem]:
    file = environment.shown(environment.file)
    for name, options in vaults.items():
        where = f"{file} providers.{name}"
        if "address" not in options:
            yield Problem(where, "has no address, and the pod has no VAULT_ADDR", "add `address: URL`", warning=True)
        if not any(_tokens(options)):
            hint = f"add {{method: kubernetes, role: ROLE, token_file: {TOKEN}}} to `auth`"
            yield Problem(
                f"{where}.auth", "has no login method with a token that exists in the pod", hint, warning=True
            )
        for section in (options, *_methods(options)):
            for field in _CREDENTIALS:
                if field in section:
                    what = f"{field} is a credential and is not in the ConfigMap"
                    hint = "mount it from your own Secret at that path"
                    yield Problem(where, what, hint, warning=True)


def _other_remarks(
    environment: Environment, sections: tuple[tuple[str, Mapping[str, object], str, str], ...]
) -> Iterator[Problem]:
    file = environment.shown(environment.file)
    for type_, options, name, path in sections:
        where = f"{file} providers.{name}"
        if type_ == "exec":
            yield Problem(
                where, "starts a program, which the image does not contain", "add it to your image", warning=True
            )
        elif type_ not in KNOWN:
            what = "is not a built-in provider: what it needs from a pod is not rendered"
            yield Problem(where, what, "add it to cronjob.yaml", warning=True)
        if type_ == "scaleway":
            scope = path.partition("/")[0]  # a reference may contain both, and an id needs no project
            absent = [field for field, form in _SCOPE.items() if field not in options and not form.search(scope)]
            if absent:
                what = f"has no {' and no '.join(absent)}, and the pod has no scw profile"
                yield Problem(where, what, "add the missing fields", warning=True)
        if type_ == "aws" and "region" not in options and not path.startswith("arn:"):
            yield Problem(where, "has no region, and the pod has no profile", "add `region: REGION`", warning=True)
        if type_ == "sops" and path.startswith("s3://") and "s3_region" not in options:
            yield Problem(
                where, "has no s3_region, and the pod has no profile", "add `s3_region: REGION`", warning=True
            )
