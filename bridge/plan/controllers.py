"""Detects other tools that manage an object by their marks: which must release it first, and which must be told.

The marks: https://external-secrets.io (LabelManaged), the Vault Secrets Operator's vso-ownerRefUID,
https://github.com/bitnami-labs/sealed-secrets, https://github.com/isindir/sops-secrets-operator,
https://secrets-store-csi-driver.sigs.k8s.io, Helm's release annotations, Argo CD's resource tracking, Flux's owner
labels.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from bridge.errors import Problem
from bridge.objects import Live
from bridge.plan.ownership import MANAGED_BY

ORPHAN: Final = "with `--cascade=orphan`, as a plain delete would delete this object too"
KEEP: Final = "helm.sh/resource-policy"


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
