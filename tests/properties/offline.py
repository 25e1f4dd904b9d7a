"""What `bridge check` cannot know, and why. Every other reason of a run's refusal, a check must have found."""

import re
from typing import Any, Final

from tests.desk import Result
from tests.properties.configuration import Configuration

IN_CLUSTER: Final = (
    "is owned by ",
    "is managed by ",
    "is being deleted",
    "has type ",
    "is immutable and would have to change",
    "belongs to ",
    "is written by another bridge environment",
    "is in data but belongs in binaryData",
    "is in binaryData but belongs in data",
    "some fields are owned by ",
    "cannot be pruned",
    "cannot be recreated",
    "does not exist",  # the namespace
    "nothing shows that staging was written to it before",
)
"""A check reads no cluster: who owns the objects now, and what of them Kubernetes no longer changes."""

IN_STATE: Final = (
    "no longer in ",
    "would become empty",
    "is older than the last revision written",
    "came from ",
    r"\d+ of \d+ (objects|keys) are no longer in the templates",
)
"""A check does not know what was written last: the state is in the cluster."""

IN_VALUES: Final = (
    r"the value of \$\{S\d\|json\} is not text",
    "must be a JSON object",
    "must be PEM text",
)
"""A check has no key and no login, so it reads no value of a source."""

IN_NAMES: Final = (
    r"\$\{[SP]\d\} has no value",
    r"no source gives \$\{[SP]\d\}",
    r"would fill a Secret's key from \.env\.k8s\.staging",
    r"(Secret|ConfigMap)/\S+ key \S+ is not in any template",
)
"""A check knows which fields a source has only if the provider lists them, as `sops` does without a key. `plain` does
not, and of a manifest only the top-level names are listed, not the keys of its object."""


def check_knew(check: Result, run: Result, configuration: Configuration, flags: tuple[str, ...]) -> None:
    """If the files were valid, a run is refused only for what a check cannot know."""
    if check.status or run.status in (0, 4):
        return
    unknowable = [*IN_CLUSTER, *IN_STATE, *IN_VALUES, *(IN_NAMES if _has_unlisted_names(configuration) else ())]
    unknowable += [rf"\$\{{{name}\}} has no value" for name in _empty(configuration)]  # that is about a value too
    for problem in _reasons(run.data):
        is_about_flag = problem["where"].startswith("--recreate ") and problem["where"].split()[1] in flags
        assert is_about_flag or any(re.match(one, problem["what"]) for one in unknowable), problem


def _has_unlisted_names(configuration: Configuration) -> bool:
    return any(source.provider != "sops" or source.manifests is not None for source in configuration.sources)


def _empty(configuration: Configuration) -> set[str]:
    """Return the variables that a source gives no text: `:?` refuses them as if they were missing."""
    return {name for source in configuration.sources for name, one in source.fields.items() if not one.value}


def _reasons(report: dict[str, Any]) -> list[dict[str, str]]:
    return [*report.get("refusals", ()), *report.get("errors", ())]
