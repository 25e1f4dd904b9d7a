"""Vault and OpenBao as the pods of the rendered CronJob use them: with a token that the kubelet projects."""

import contextlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.deploy.pod import vault_login
from tests.node.place import Place
from tests.servers.vault import DevVault

TOKEN: Final = "/var/run/secrets/vault/token"
READ: Final = f"print(open({TOKEN!r}).read())"


class Living(NamedTuple):
    """A pod that does not end, and the token that it had first."""

    place: Place
    pod: str
    token: str


@contextlib.contextmanager
def vault_for(place: Place, server: DevVault) -> Iterator[None]:
    """Deploy the CronJob with a server that knows its service account, and that its pods reach."""
    mount = f"kv-{place.namespace}"
    vault_login(server, place.node.cluster, place.namespace, mount)
    with place.node.way_out(server.address) as way:
        method = f"{{method: kubernetes, mount: {mount}, role: app, token_file: {TOKEN}}}"
        section = f"vault: {{address: '{way.url}', mount: {mount}, kv_version: 2, auth: {method}}}"
        place.deploy(**{"sops:staging.sops.yaml": "vault:app", "sops: {age_key_file: demo.agekey}": section})
        yield
