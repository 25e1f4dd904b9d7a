"""Lists where keys of SOPS files are looked for, for `bridge doctor`. Nothing is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Context
from bridge_providers.sops import identities, ssh_keys

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_AWS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE")
_SCALEWAY: Final = ("SCW_ACCESS_KEY", "SCW_SECRET_KEY")


def credential_places(options: "Sops", context: Context) -> Iterator[tuple[str, Path | None]]:
    """Yield the places of age keys, ssh keys and gpg, then those that the section's other stores need."""
    environ = context.environ
    if options.age_key_file:
        yield "age_key_file", context.base / options.age_key_file
    yield "SOPS_AGE_KEY", None
    if name := environ.get("SOPS_AGE_KEY_FILE"):
        yield "SOPS_AGE_KEY_FILE", Path(name)
    else:
        yield "SOPS_AGE_KEY_FILE", None
    if default := identities.default_key_file(environ):
        yield str(default), default
    yield from ((name, None) for name in identities.COMMANDS)
    if not environ.get(ssh_keys.VARIABLE):
        yield ssh_keys.VARIABLE, None
    for place, path in ssh_keys.places(context):
        yield place.removesuffix(f" {path}"), path
    if options.gpg and environ.get("HOME"):
        yield "GNUPGHOME", Path(environ.get("GNUPGHOME") or f"{environ['HOME']}/.gnupg", "pubring.kbx")
    if options.kms or options.s3 not in {None, "scaleway"}:
        yield from ((name, None) for name in _AWS)
        if home := environ.get("HOME"):
            file = environ.get("AWS_SHARED_CREDENTIALS_FILE") or f"{home}/.aws/credentials"
            yield file, Path(file)
    if options.s3 == "scaleway":
        yield from ((name, None) for name in _SCALEWAY)
