"""Builds the kustomize components: what each store and each option adds to the CronJob and its rights."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from textwrap import indent
from typing import Final

from bridge.draft.cronjob import Names
from bridge.draft.rights import restart_rules, rules_for
from bridge.draft.stores import TOKEN, Needs
from bridge.draft.text import dumped, inline
from bridge.objects import ObjectId

FILE: Final = "kustomization.yaml"
AGE: Final = PurePosixPath("/var/run/secrets/age/keys.txt")
OPTIONS: Final = {
    "prune": "delete objects that are no longer in the templates, and recreate objects that cannot be changed",
    "restart": "restart workloads that use a changed key",
}
STORES: Final = {
    "vault": "a service account token with the audience `vault`",
    "scaleway": "the secret key of Secret Manager, from a Secret",
    "sops": "the age keys, from a Secret",
    "bucket": "keys for SOPS files in object storage, from a Secret",
}


def components(names: Names, needs: Needs, objects: Iterable[ObjectId]) -> Mapping[str, str]:
    """Return the text of every component by its name."""
    return {
        "vault": _vault(names, needs),
        "scaleway": _variables(names, "scaleway", ["SCW_SECRET_KEY"], 443),
        "sops": _sops(names),
        "bucket": _variables(names, "bucket", _bucket_keys(needs.bucket), needs.bucket_port),
        "prune": _prune(list(objects)),
        "restart": _restart(),
    }


def secret_name(names: Names, store: str) -> str:
    """Return the name of the Secret with a store's credential; the dot keeps it distinct from every `bridge-<id>`."""
    return f"{names.object}.{store}"


def _component(text: str, *patches: tuple[str, str]) -> str:
    """Combine patches, each with a target kind."""
    body = "".join(
        f"  - target: {{kind: {kind}}}\n    patch: |-\n{indent(patch.rstrip(), '      ')}\n" for kind, patch in patches
    )
    return f"# {text}\napiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\npatches:\n{body}"


def _pod(names: Names, container: Mapping[str, object], pod: Mapping[str, object]) -> tuple[str, str]:
    """Return a patch for the CronJob's container and pod."""
    spec = {"containers": [{"name": "bridge", **container}], **pod}
    content = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": names.object},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}},
    }
    return "CronJob", dumped(content)


def _add(kind: str, path: str, values: Iterable[object]) -> tuple[str, str]:
    return kind, "".join(f"- {inline({'op': 'add', 'path': path, 'value': value})}\n" for value in values)


def _port(port: int) -> tuple[str, str]:
    return _add("NetworkPolicy", "/spec/egress/-", [{"ports": [{"protocol": "TCP", "port": port}]}])


def _vault(names: Names, needs: Needs) -> str:
    mounts, volumes = [], []
    for number, token in enumerate(needs.tokens or (TOKEN,)):
        name = f"vault-token-{number + 1}" if number else "vault-token"
        source = {"serviceAccountToken": {"path": token.name, "audience": "vault", "expirationSeconds": 600}}
        mounts.append({"name": name, "mountPath": str(token.parent), "readOnly": True})
        volumes.append({"name": name, "projected": {"sources": [source]}})
    return _component(
        f"Vault: {STORES['vault']}.\n# The Vault role is bound to the service account {names.object}.",
        _pod(names, {"volumeMounts": mounts}, {"volumes": volumes}),
        _port(needs.vault_port),
    )


def _variables(names: Names, store: str, variables: Iterable[str], port: int) -> str:
    name = secret_name(names, store)
    env = [{"name": key, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}} for key in variables]
    text = f"{STORES[store][0].upper()}{STORES[store][1:]}: {name}, which you create."
    return _component(text, _pod(names, {"env": env}, {}), _port(port))


def _bucket_keys(bucket: str) -> tuple[str, str]:
    scaleway = bucket in {"scaleway", ""}
    return ("SCW_ACCESS_KEY", "SCW_SECRET_KEY") if scaleway else ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def _sops(names: Names) -> str:
    mount = {"name": "age", "mountPath": str(AGE.parent), "readOnly": True}
    volume = {"name": "age", "secret": {"secretName": secret_name(names, "age")}}
    container = {"env": [{"name": "SOPS_AGE_KEY_FILE", "value": str(AGE)}], "volumeMounts": [mount]}
    text = f"SOPS: {STORES['sops']}: {secret_name(names, 'age')} with the key {AGE.name}, which you create."
    return _component(text, _pod(names, container, {"volumes": [volume]}))


def _prune(objects: list[ObjectId]) -> str:
    text = (
        "`--prune`: "
        + OPTIONS["prune"]
        + ".\n# An object that is no longer in the templates must stay in these lists and in"
    )
    text += "\n# rights.yaml, until it is deleted."
    secrets = [one.name for one in objects if one.kind == "Secret"]
    maps = [one.name for one in objects if one.kind == "ConfigMap"]
    rules = [*rules_for("secrets", secrets, ["delete"]), *rules_for("configmaps", maps, ["delete"])]
    return _component(text, _add("Role", "/rules/-", rules), _argument("--prune"))


def _restart() -> str:
    text = f"`--restart`: {OPTIONS['restart']}."
    return _component(text, _add("Role", "/rules/-", restart_rules()), _argument("--restart"))


def _argument(flag: str) -> tuple[str, str]:
    path = "/spec/jobTemplate/spec/template/spec/containers/0/args/-"
    return _add("CronJob", path, [flag])


def kustomization(names: Names, needs: Needs, command: str) -> Iterator[str]:
    """Yield the lines of the folder's kustomization.yaml."""
    yield f"# The CronJob of {names.environment}, rendered by `{command}`."
    yield "# Run it again to render missing files and to list files that have changed."
    yield "apiVersion: kustomize.config.k8s.io/v1beta1"
    yield "kind: Kustomization"
    yield f"namespace: {names.namespace}"
    yield "resources:"
    yield from (f"  - {file}" for file in ("configuration.yaml", "cronjob.yaml", "rights.yaml", "network.yaml"))
    yield "components:" + ("" if needs.components else " []")
    for name, text in (STORES | OPTIONS).items():
        used = name in needs.components
        yield f"{'  - ' if used else '  # - '}components/{name}".ljust(28) + f"# {text}"
    yield "images:"
    yield "  - name: bridge"
    yield f"    newName: {json.dumps('registry.example.com/bridge')}    # yours; prefer a `digest:` to a tag"
    yield '    newTag: "1"'
