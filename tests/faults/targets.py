"""What a run meets: a cluster and a store, of which one is behind a proxy that spoils calls, or is a faulty program."""

import base64
import contextlib
import json
import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.session import Session

from tests.faults.commands import COMMAND_NAMES, OF_COMMANDS, Command, SyncAll, SyncWithRestart, Vault, of_vault
from tests.faults.kinds import CANARY, OF_BOTO3, SERVERS, SIGNALS, Fault
from tests.faults.machines import possible
from tests.faults.programs import PROGRAMS, STATUSES, FaultyProgram
from tests.faults.proxy import Dialect, FaultProxy, Forward, Reply, Request, Upstream
from tests.providers.sops.folder import Folder
from tests.servers.client import Client
from tests.servers.s3 import ACCESS_KEY, REGION, SECRET_KEY
from tests.servers.scaleway import PROJECT, SecretManager
from tests.trusting import trusting

if TYPE_CHECKING:
    from contextlib import ExitStack

SERVER_NAMES: Final = ("API server", "Vault", "Scaleway", "AWS", "S3")
"""The columns of the table of servers."""
PROGRAM: Final = "program"
PROCESS: Final = "bridge"
MACHINE: Final = "machine"
NAMES: Final = (*SERVER_NAMES, PROGRAM, PROCESS, MACHINE, *COMMAND_NAMES)
_JSON: Final = ("Content-Type", "application/json")
_REASONS: Final = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 429: "TooManyRequests"}


@dataclass(frozen=True)
class Servers:
    """Where the real servers are that all targets share. Plain values, so that another process can have it."""

    cluster: str
    cluster_ca: Path
    cluster_token: str
    vault: str
    vault_token: str
    storage: str
    sops: Path


@dataclass
class Target:
    """A store or a cluster with faults. `put` stores the values, `environment` says how an environment reads them."""

    name: str
    faults: Sequence[Fault]
    server: FaultProxy | FaultyProgram
    put: Callable[[dict[str, str]], object]
    environment: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)
    canaries: set[str] = field(default_factory=set)
    is_cluster: bool = False
    command: Command = field(default_factory=Command)


class Cluster:
    """The real cluster as an administrator sees it, over one connection."""

    def __init__(self, servers: Servers, namespace: str) -> None:
        self.namespace: Final = namespace
        self.url: Final = servers.cluster
        self.token: Final = servers.cluster_token
        self.tls: Final = ssl.create_default_context(cafile=str(servers.cluster_ca))
        self._ca: Final = servers.cluster_ca
        self._forward: Final = Forward(Upstream(self.url, self.tls, kubernetes))
        made = self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        assert made["kind"] == "Namespace", made

    def ask(self, method: str, path: str, body: object = None, kind: str = "application/json") -> dict[str, Any]:
        """Send a request; return the answer's body."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "Accept": "application/json"}
        reply = self._forward.ask(Request(method, path, headers, json.dumps(body).encode() if body else b""))
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def close(self) -> None:
        """Close the connection."""
        self._forward.close()

    def kubeconfig(self, file: Path, url: str, authority: Path) -> None:
        """Write a kubeconfig that leads to a server, with an administrator's token."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": str(authority)}}],
            "users": [{"name": "test", "user": {"token": self.token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "current-context": "test",
        }
        file.touch(mode=0o600)
        file.write_text(json.dumps(content))

    def own_kubeconfig(self, file: Path) -> None:
        """Write a kubeconfig that leads to the cluster itself."""
        self.kubeconfig(file, self.url, self._ca)


def kubernetes(status: int) -> Reply:
    """Word an error as kube-apiserver does."""
    content = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"{CANARY} is wrong",
        "reason": _REASONS.get(status, "InternalError"),
        "code": status,
    }
    return Reply(status, [_JSON], json.dumps(content).encode())


def vault(status: int) -> Reply:
    """Word an error as Vault does."""
    return Reply(status, [_JSON], json.dumps({"errors": [f"{CANARY} is wrong"]}).encode())


def scaleway(status: int) -> Reply:
    """Word an error as Secret Manager does."""
    kinds = {401: "denied_authentication", 403: "permissions_denied", 404: "not_found", 412: "precondition_failed"}
    kind = kinds.get(status, "already_exists" if status == 409 else "internal")
    return Reply(status, [_JSON], json.dumps({"type": kind, "message": CANARY, "resource": CANARY}).encode())


def aws(status: int) -> Reply:
    """Word an error as AWS's JSON services do."""
    codes = {403: "AccessDeniedException", 404: "ResourceNotFoundException", 429: "ThrottlingException"}
    code = codes.get(status, "InternalFailure" if status >= 500 else "InvalidRequestException")
    kind = "application/x-amz-json-1.1"
    return Reply(status, [("Content-Type", kind)], json.dumps({"__type": code, "Message": CANARY}).encode())


def s3(status: int) -> Reply:
    """Word an error as object storage does."""
    codes = {403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed", 429: "SlowDown", 503: "SlowDown"}
    code = codes.get(status, "InternalError" if status >= 500 else "InvalidRequest")
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{CANARY}</Message></Error>'
    return Reply(status, [("Content-Type", "application/xml")], body.encode())


def _proxy(stack: "ExitStack", folder: Path, url: str, dialect: Dialect, tls: ssl.SSLContext | None) -> FaultProxy:
    return stack.enter_context(FaultProxy(Upstream(url, tls, dialect), folder))


def _api_server(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    tls = ssl.create_default_context(cafile=str(servers.cluster_ca))
    proxy = _proxy(stack, folder, servers.cluster, kubernetes, tls)
    values = config / "values.json"
    return Target(
        "API server",
        SERVERS,
        proxy,
        lambda given: values.write_text(json.dumps(given)),
        {"sources": ["plain:values.json"]},
        is_cluster=True,
    )


def _bridge(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    """A good API server: it is bridge's own process that something happens to, when a call arrives."""
    return replace(_api_server(stack, servers, folder, config), name=PROCESS, faults=SIGNALS)


def _machine(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    """A good API server: it is the machine that bridge runs on that does something."""
    return replace(_api_server(stack, servers, folder, config), name=MACHINE, faults=possible())


def _all(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    made = _api_server(stack, servers, folder, config)
    return replace(made, name="sync --all", faults=OF_COMMANDS, command=SyncAll())


def _restart(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    made = _api_server(stack, servers, folder, config)
    return replace(made, name="sync --restart", faults=OF_COMMANDS, command=SyncWithRestart())


def _writing(name: str, stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    """A command that writes to a good store before it writes to the cluster."""
    made, store = _api_server(stack, servers, folder, config), Vault(servers, config.parent.name)
    return replace(
        made,
        name=name,
        faults=OF_COMMANDS,
        put=lambda _: None,
        environment=store.environment,
        environ=store.environ,
        canaries={servers.vault_token},
        command=of_vault(name, store),
    )


def _vault(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    """An AppRole that may read one document: a run logs in, reads, and revokes its token."""
    proxy = _proxy(stack, folder, servers.vault, vault, None)
    mount = config.parent.name.replace("_", "-")
    root = Client(servers.vault)

    def do(method: str, path: str, body: object = None) -> Any:
        reply = root.request(method, f"/v1/{path}", body, headers={"X-Vault-Token": servers.vault_token})
        assert reply.status in {200, 204}, reply
        return reply.body

    do("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "1"}})
    do("PUT", f"sys/policies/acl/{mount}", {"policy": f'path "{mount}/*" {{ capabilities = ["read"] }}'})
    do("POST", f"sys/auth/{mount}", {"type": "approle"})
    role = f"auth/{mount}/role/r"
    do("POST", role, {"token_policies": [mount]})
    role_id = do("GET", f"{role}/role-id")["data"]["role_id"]
    secret_id = do("POST", f"{role}/secret-id", {})["data"]["secret_id"]
    section = {"address": proxy.url, "mount": mount, "kv_version": 1, "auth": {"method": "approle", "mount": mount}}
    return Target(
        "Vault",
        SERVERS,
        proxy,
        lambda given: do("POST", f"{mount}/app", given),
        {"sources": ["vault:app"], "providers": {"vault": section}},
        {"VAULT_ROLE_ID": role_id, "VAULT_SECRET_ID": secret_id, "VAULT_CACERT": str(proxy.authority.file)},
        {secret_id},
    )


def _scaleway(stack: "ExitStack", _: Servers, folder: Path, config: Path) -> Target:
    manager = stack.enter_context(SecretManager())
    proxy = _proxy(stack, folder, manager.url, scaleway, None)

    def put(given: dict[str, str]) -> None:
        secret = manager.store.named("fr-par", PROJECT, "/voice", "app")
        for old in secret.versions[:-10] if secret else ():  # a secret may have 20
            old["status"] = "deleted"
        manager.put("/voice/app", given, type="key_value")

    return Target(
        "Scaleway",
        SERVERS,
        proxy,
        put,
        {"sources": ["scaleway:/voice/app"]},
        manager.environ(SCW_API_URL=proxy.url, SSL_CERT_FILE=str(proxy.authority.file)),
        {manager.key},
    )


def _keys(proxy: FaultProxy) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CA_BUNDLE": str(proxy.authority.file),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _client(service: str, url: str, region: str = "eu-west-3") -> Any:
    """Return an administrator's client of one of moto's services."""
    return Session(ACCESS_KEY, SECRET_KEY, region_name=region).client(service, endpoint_url=url)


def _aws(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    proxy = _proxy(stack, folder, servers.storage, aws, None)
    name = f"{config.parent.name}/app"
    parameter = f"/{config.parent.name}/extra"
    secrets, parameters = _client("secretsmanager", servers.storage), _client("ssm", servers.storage)
    secrets.create_secret(Name=name, SecretString="{}")

    def put(given: dict[str, str]) -> None:
        rest = {key: value for key, value in given.items() if key != "OTHER"}
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps(rest))
        parameters.put_parameter(Name=parameter, Value=given["OTHER"], Type="SecureString", Overwrite=True)

    sources = {"sources": [f"aws:{name}"], "variables": {"OTHER": f"aws:ssm:{parameter}"}}
    return Target(
        "AWS",
        OF_BOTO3,
        proxy,
        put,
        sources | {"providers": {"aws": {"region": "eu-west-3"}}},
        {"AWS_ENDPOINT_URL": proxy.url} | _keys(proxy),
        {SECRET_KEY},
    )


def _s3(stack: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    proxy = _proxy(stack, folder, servers.storage, s3, None)
    bucket = config.parent.name.replace("_", "-")
    encrypting = Folder(folder, servers.sops)
    store = _client("s3", servers.storage, "us-east-1")
    store.create_bucket(Bucket=bucket)

    def put(given: dict[str, str]) -> None:
        body = encrypting.encrypt("app.sops.json", json.dumps(given)).read_bytes()
        store.put_object(Bucket=bucket, Key="app.sops.json", Body=body)

    environ = {
        "SCW_S3_ENDPOINT": proxy.url,
        "SCW_ACCESS_KEY": ACCESS_KEY,
        "SCW_SECRET_KEY": SECRET_KEY,
        "SCW_DEFAULT_REGION": REGION,
        "SOPS_AGE_KEY": str(encrypting.key),
    }
    return Target(
        "S3",
        OF_BOTO3,
        proxy,
        put,
        {"sources": [f"sops:s3://{bucket}/app.sops.json"], "providers": {"sops": {"s3": "scaleway"}}},
        environ | _keys(proxy),
        {SECRET_KEY, str(encrypting.key)},
    )


def _program(_: "ExitStack", servers: Servers, folder: Path, config: Path) -> Target:
    program = FaultyProgram(folder)
    section = {"provider": "exec", "command": [str(program.path), "get"], "statuses": STATUSES, "timeout": 300}
    kubeconfigs = [str(config / "kubeconfig")]
    environ = trusting(
        folder, programs=[[str(program.path), "get"]], servers=[servers.cluster], kubeconfigs=kubeconfigs
    )
    return Target(
        PROGRAM,
        PROGRAMS,
        program,
        program.put,
        {"sources": ["store:app"], "providers": {"store": section}},
        environ,
    )


_MADE: Final = {
    "API server": _api_server,
    "Vault": _vault,
    "Scaleway": _scaleway,
    "AWS": _aws,
    "S3": _s3,
    PROGRAM: _program,
    PROCESS: _bridge,
    MACHINE: _machine,
    "sync --all": _all,
    "sync --restart": _restart,
    "set --sync": partial(_writing, "set --sync"),
    "rollback": partial(_writing, "rollback"),
}


@contextlib.contextmanager
def target(name: str, servers: Servers, folder: Path) -> Iterator[Target]:
    """Make one of `NAMES`. Its files are in `folder`, those of the environment in `folder/config`."""
    own, config = folder / "target", folder / "config"
    for needed in (own, config):
        needed.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        yield _MADE[name](stack, servers, own, config)


def values(number: int) -> dict[str, str]:
    """Return the values of one turn; none of them may ever be shown."""
    return {"PASSWORD": f"CANARY-password-{number}", "OTHER": f"CANARY-other-{number}"}


def forms(canary: str) -> tuple[str, ...]:
    """Return the forms in which a value could show."""
    return canary, base64.b64encode(canary.encode()).decode(), json.dumps(canary)[1:-1]
