"""Who else keeps an object up to date, as its marks tell: what must let go of it first, and what must be told.

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

ORPHAN: Final = "with `--cascade=orphan`, as a plain delete takes this object along"
KEEP: Final = "helm.sh/resource-policy"


class Controller(NamedTuple):
    """A controller: its name, how its labels and annotations begin, its field managers, and what to do first."""

    name: str
    marks: tuple[str, ...]
    managers: tuple[str, ...]
    hint: str


OPERATORS: Final = (
    Controller(
        "External Secrets",
        ("reconcile.external-secrets.io/",),
        ("externalsecrets.external-secrets.io/", "external-secrets"),
        f"set `deletionPolicy: Retain` in its ExternalSecret and delete that {ORPHAN}",
    ),
    Controller(
        "the Vault Secrets Operator",
        ("secrets.hashicorp.com/",),
        (),
        f"delete its custom resource in Vault's group {ORPHAN}",
    ),
    Controller("Sealed Secrets", ("sealedsecrets.bitnami.com/",), (), f"delete its SealedSecret {ORPHAN}"),
    Controller("the SOPS operator", ("sopssecret/",), (), f"delete its SopsSecret {ORPHAN}"),
    Controller(
        "the Secrets Store CSI driver",
        ("secrets-store.csi.k8s.io/",),
        (),
        "take it out of `secretObjects` of the SecretProviderClass, and out of every pod that mounts that",
    ),
)
"""They write the object again and again, and would do so against bridge."""

DEPLOYERS: Final = (
    Controller(
        "Helm",
        ("meta.helm.sh/",),
        ("helm",),
        f"annotate it in the chart, `{KEEP}: keep`, release that, and only then take it out of the chart",
    ),
    Controller(
        "Argo CD",
        ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"),
        ("argocd-controller",),
        "annotate it in git, `argocd.argoproj.io/sync-options: Prune=false`, let that sync, then take it out of git",
    ),
    Controller(
        "Flux",
        ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"),
        ("kustomize-controller", "helm-controller"),
        "annotate it in git, `kustomize.toolkit.fluxcd.io/prune: disabled`, let that sync, then take it out of git",
    ),
)
"""They write what git or a chart holds, and let go once that holds the object no more."""


def must_let_go(live: Live) -> Iterator[Problem]:
    """Yield who owns the object or writes it all the time: it cannot be taken over from them."""
    where = str(live.id)
    known = next((one for one in OPERATORS if _marks(one, live)), None)
    if known:
        marks = ", ".join(_marks(known, live))
        yield Problem(
            where,
            f"{known.name} keeps it up to date, say its labels and annotations",
            f"{known.hint}; then take {marks} off the object",
        )
    elif live.owner:
        yield Problem(where, f"is owned by {live.owner}", f"delete {live.owner} {ORPHAN}, or take the reference off")


def may_interfere(live: Live) -> Iterator[Problem]:
    """Yield who deploys the object, or did once: it can be taken over, and they have to be told."""
    where = str(live.id)
    label = live.labels.get(MANAGED_BY)
    known = [one for one in DEPLOYERS if _marks(one, live) or _writes(one, live) or label == one.name]
    for one in known:
        kept = one.name == "Helm" and live.annotations.get(KEEP) == "keep"
        rest = "" if kept else ", and may delete it when that holds it no more"
        what = f"{one.name} deploys it: it writes over bridge's values as long as its source holds them{rest}"
        yield Problem(where, what, "take it out of the chart" if kept else one.hint)
    yield from (
        Problem(where, f"{one.name} wrote to it", "see that it does so no more")
        for one in OPERATORS
        if _writes(one, live)
    )
    if label and not known:
        yield Problem(where, f"{label} manages it, says its label", "see that it writes to the object no more")


def _marks(one: Controller, live: Live) -> list[str]:
    return [name for name in (*live.labels, *live.annotations) if name.startswith(one.marks)]


def _writes(one: Controller, live: Live) -> bool:
    return any(
        manager.name == name or (name.endswith("/") and manager.name.startswith(name))
        for manager in live.managers
        for name in one.managers
    )
