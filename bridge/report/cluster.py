"""Formats a cluster's name in the same way for every report and question."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from bridge.plan.model import ClusterName
from bridge.report.style import Style
from bridge.report.talk import printable

POD: Final = "this pod's service account"
Quote: TypeAlias = Callable[[str], str]


def cluster_data(cluster: ClusterName) -> dict[str, str | None]:
    """Return which cluster a report is about, as data."""
    return cluster._asdict()


def cluster_field(cluster: ClusterName | None) -> dict[str, dict[str, str | None]]:
    """Return a report's field for the cluster, or {} if the run does not know the cluster (yet)."""
    return {"cluster": cluster_data(cluster)} if cluster else {}


def heading(data: dict[str, Any], style: Style) -> Iterator[str]:
    """Yield the first lines of a report: which environment it is about, which cluster, and which servers of stores."""
    yield style.bold(f"{data['environment']}: namespace {data['namespace']}, as {data['manager']}")
    yield style.lines(f"  cluster: {cluster_text(data['cluster'])}")
    for name, urls in data.get("stores", {}).items():
        yield style.lines(f"  {name}: {', '.join(map(printable, urls))}")


def cluster_text(cluster: Mapping[str, str | None], *, note: str | None = None, quote: Quote = str) -> str:
    """Format the cluster of a report's data, such as `context kapsule (not bound), https://10.0.0.1:6443`.

    The server comes last because its URL may be long. Terminal control characters are escaped. `note` replaces the note
    about the environment's binding, and `quote` marks up a name.
    """
    place = f"context {quote(printable(cluster['context']))}" if cluster["context"] else POD
    bound = binding_note(cluster) if note is None else note
    return f"{place}{bound}, {quote(printable(str(cluster['server'])))}"


def binding_note(*clusters: Mapping[str, str | None]) -> str:
    """Describe how many environments are not bound to their cluster; `clusters` has an entry for each environment.

    A pod's own account needs no note: it can only lead to one cluster.
    """
    unbound = sum(bool(c["context"]) and not c["binding"] for c in clusters)
    if not unbound:
        return ""
    return " (not bound)" if unbound == len(clusters) else f" ({unbound} of {len(clusters)} environments not bound)"


def namespace_in(namespace: str, cluster: ClusterName) -> str:
    """Format a namespace with its cluster, for a question."""
    place = f"context {cluster.context}" if cluster.context else "this pod's cluster"
    return f"namespace {namespace} of {place} ({cluster.server})"
