"""Detects other tools that manage an object by their marks: which must release it first, and which must be told.

The marks: https://external-secrets.io (LabelManaged), the Vault Secrets Operator's vso-ownerRefUID,
https://github.com/bitnami-labs/sealed-secrets, https://github.com/isindir/sops-secrets-operator,
https://secrets-store-csi-driver.sigs.k8s.io, Helm's release annotations, Argo CD's resource tracking, Flux's owner
labels.
"""

from collections.abc import Iterator
from typing import Final

from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import Live
from bridge.plan.ownership import MANAGED_BY
from bridge.shell import command

ORPHAN: Final = "with `--cascade=orphan`, as a plain delete would delete this object too"
KEEP: Final = "helm.sh/resource-policy"
_RETAIN: Final = '{"spec":{"target":{"creationPolicy":"Orphan","deletionPolicy":"Retain"}}}'
_EXTERNAL: Final = "external-secrets.io"
_CREATED_BY: Final = "reconcile.external-secrets.io/created-by"
_NO_OWNERS: Final = '{"metadata":{"ownerReferences":null}}'


class Controller(NamedTuple):
    """A controller: its name, the prefixes of its labels and annotations, its field managers, and what to do first.

    `group` is the API group of its custom resources, if deleting the resource releases the object.
    """

    name: str
    marks: tuple[str, ...]
    managers: tuple[str, ...]
    hint: str
    group: str = ""


OPERATORS: Final = (
    Controller(
        "External Secrets",
        ("reconcile.external-secrets.io/",),
        ("externalsecrets.external-secrets.io/", "external-secrets"),
        f"set `deletionPolicy: Retain` in its ExternalSecret and delete that {ORPHAN}",
        "external-secrets.io",
    ),
    Controller(
        "the Vault Secrets Operator",
        ("secrets.hashicorp.com/",),
        (),
        f"delete its custom resource in Vault's group {ORPHAN}",
        "secrets.hashicorp.com",
    ),
    Controller(
        "Sealed Secrets", ("sealedsecrets.bitnami.com/",), (), f"delete its SealedSecret {ORPHAN}", "bitnami.com"
    ),
    Controller("the SOPS operator", ("sopssecret/",), (), f"delete its SopsSecret {ORPHAN}", "isindir.github.com"),
    Controller(
        "the Secrets Store CSI driver",
        ("secrets-store.csi.k8s.io/",),
        (),
        "remove it from `secretObjects` in the SecretProviderClass and from every pod that mounts the class",
    ),
)
"""They write the object continuously, and would keep overwriting bridge."""

DEPLOYERS: Final = (
    Controller(
        "Helm",
        ("meta.helm.sh/",),
        ("helm",),
        f"annotate it with `{KEEP}: keep` in the chart, release the chart, then remove it from the chart",
    ),
    Controller(
        "Argo CD",
        ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"),
        ("argocd-controller",),
        "annotate it with `argocd.argoproj.io/sync-options: Prune=false` in git, sync, then remove it from git",
    ),
    Controller(
        "Flux",
        ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"),
        ("kustomize-controller", "helm-controller"),
        "annotate it with `kustomize.toolkit.fluxcd.io/prune: disabled` in git, sync, then remove it from git",
    ),
)
"""They write what git or a chart contains, and stop when the object is no longer there."""


def must_let_go(live: Live) -> Iterator[Problem]:
    """Yield who owns the object or writes it continuously: it cannot be taken over from them."""
    where = str(live.id)
    known = next((controller for controller in OPERATORS if marks_of(controller, live)), None)
    if known:
        marks = ", ".join(marks_of(known, live))
        yield Problem(
            where,
            f"{known.name} manages it, according to its labels and annotations",
            f"{known.hint}; then remove {marks} from the object",
        )
    elif live.owner:
        yield Problem(where, f"is owned by {live.owner}", f"delete {live.owner} {ORPHAN}, or remove its ownerReference")


def may_interfere(live: Live) -> Iterator[Problem]:
    """Yield who deploys the object, now or in the past: it can be taken over, but they must be told."""
    where = str(live.id)
    label = live.labels.get(MANAGED_BY)
    known = [c for c in DEPLOYERS if marks_of(c, live) or _writes(c, live) or label == c.name]
    for deployer in known:
        kept = deployer.name == "Helm" and live.annotations.get(KEEP) == "keep"
        rest = "" if kept else ", and may delete it when it is removed from there"
        what = f"{deployer.name} deploys it and overwrites bridge's values as long as its source contains them{rest}"
        yield Problem(where, what, "remove it from the chart" if kept else deployer.hint)
    yield from (
        Problem(where, f"{operator.name} has written to this object", "stop it from doing so")
        for operator in OPERATORS
        if _writes(operator, live)
    )
    if label and not known:
        yield Problem(where, f"{label} manages it, according to its label", "stop it from writing to the object")


def marks_of(controller: Controller, live: Live) -> list[str]:
    """Return the labels and annotations of an object that are a controller's."""
    return [name for name in (*live.labels, *live.annotations) if name.startswith(controller.marks)]


def _writes(controller: Controller, live: Live) -> bool:
    return any(
        manager.name == name or (name.endswith("/") and manager.name.startswith(name))
        for manager in live.managers
        for name in controller.managers
    )


def release(live: Live, namespace: str) -> tuple[str, ...]:
    """Return what is left to do until nothing but bridge writes the object; empty if no operator owns it.

    The operator must keep the object before its custom resource is deleted, and must be gone before its marks are taken
    off, because it would put them back.
    """
    operator = next((each for each in OPERATORS if marks_of(each, live)), None)
    if not (operator and operator.group) and not live.owner:
        return ()
    return tuple(command(["kubectl", "-n", namespace, *words]) for words in _steps(live, operator))


def _steps(live: Live, operator: Controller | None) -> Iterator[list[str]]:
    target = f"{live.id.kind.lower()}/{live.id.name}"
    resource = _resource(live, operator)
    if resource:
        if operator and operator.group == _EXTERNAL and (live.owner or _CREATED_BY in live.labels):
            yield ["patch", resource, "--type=merge", "-p", _RETAIN]
        yield ["delete", resource, "--ignore-not-found", "--cascade=orphan"]
    marks = marks_of(operator, live) if operator else []
    if labels := [name for name in live.labels if name in marks]:
        yield ["label", target, *(f"{name}-" for name in labels)]
    if annotations := [name for name in live.annotations if name in marks]:
        yield ["annotate", target, *(f"{name}-" for name in annotations)]
    if live.owner:
        yield ["patch", target, "--type=merge", "-p", _NO_OWNERS]


def _resource(live: Live, operator: Controller | None) -> str:
    """Return the custom resource as kubectl names it: from the owner, or from the operator's field manager."""
    if live.owner:
        kind, _, name = live.owner.partition("/")
        return f"{kind.lower()}s.{operator.group}/{name}" if operator and operator.group else f"{kind.lower()}/{name}"
    prefixes = [prefix for prefix in (operator.managers if operator else ()) if prefix.endswith("/")]
    return next((by.name for by in live.managers for prefix in prefixes if by.name.startswith(prefix)), "")
