"""Names a cluster in the same words in every report and question."""

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
    """Return the field of a report that names the cluster, or {} if the run does not know it (yet)."""
    return {"cluster": cluster_data(cluster)} if cluster else {}


def heading(data: dict[str, Any], style: Style) -> Iterator[str]:
    """Yield the first lines of a report: which environment it is about, which cluster, and which servers of stores."""
    yield style.bold(f"{data['environment']}: namespace {data['namespace']}, as {data['manager']}")
    yield f"  cluster: {cluster_text(data['cluster'])}"
    for name, urls in data.get("stores", {}).items():
        yield f"  {name}: {', '.join(map(printable, urls))}"


def cluster_text(cluster: Mapping[str, str | None], *, note: str | None = None, quote: Quote = str) -> str:
    """Name the cluster of a report's data, such as `context kapsule (not bound), https://10.0.0.1:6443`.

    The server comes last because its URL may be long. What could steer a terminal is escaped. `note` replaces what
    the text says about the environment's binding, and `quote` marks up a name.
    """
    place = f"context {quote(printable(cluster['context']))}" if cluster["context"] else POD
    bound = binding_note(cluster) if note is None else note
    return f"{place}{bound}, {quote(printable(str(cluster['server'])))}"


def binding_note(*clusters: Mapping[str, str | None]) -> str:
    """Note how many environments are not bound to their cluster; `clusters` has an entry for each environment.

    A pod's own account needs no note: it leads to one cluster only.
    """
    unbound = sum(bool(one["context"]) and not one["binding"] for one in clusters)
    if not unbound:
        return ""
    return " (not bound)" if unbound == len(clusters) else f" ({unbound} of {len(clusters)} environments not bound)"


def namespace_in(namespace: str, cluster: ClusterName) -> str:
    """Name a namespace with its cluster, for a question."""
    place = f"context {cluster.context}" if cluster.context else "this pod's cluster"
    return f"namespace {namespace} of {place} ({cluster.server})"
