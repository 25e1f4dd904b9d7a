"""Syncs the cluster after a command has written a document to a store."""

from collections.abc import Callable, Mapping
from functools import partial

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import ANYTHING, Problem, Refusal, Stopped, Unavailable
from bridge.provider import Document
from bridge.run.apply import FirstWrite, Outcome, first_write, sync_environment
from bridge.run.inputs import Run
from bridge.run.plan import plan_only, read_environment
from bridge.run.view import Cluster
from bridge.shell import word
from bridge.stores.update import Written


def plan_written(
    environment: Environment, run: Run, documents: Mapping[Reference, Document], *, is_trial: bool = False
) -> tuple[Outcome, FirstWrite | None]:
    """Plan and try a sync as if the store had these documents. Nothing is written.

    The outcome has the plan. Also return the error for a first write that a person may allow, except for a trial.
    """
    with read_environment(environment, run._replace(given=documents)) as (wanted, cluster):
        outcome = Outcome(plan_only(wanted, cluster, run))
        assert outcome.plan is not None
        if outcome.plan.refusals or is_trial:
            return outcome, None
        return outcome, first_write(outcome.plan, environment, cluster, run)


def sync_written(  # noqa: PLR0913 - the run, what it has written, and what follows
    environment: Environment,
    run: Run,
    outcome: Outcome,
    reference: Reference,
    written: Written | None,
    *,
    then: Callable[[Cluster], None] | None = None,
) -> None:
    """Sync as `bridge sync` does, from the current content of the store. The outcome has a plan, and gets all errors.

    `written` is what this run has written to the store; if anything, the run has stopped between its writes.
    """
    accept = partial(_check_shown, reference, written)
    try:
        sync_environment(environment, run._replace(accept=accept), outcome, then=then)
    except ANYTHING as error:
        outcome.fail(error)
    assert outcome.plan is not None
    if outcome.plan.refusals:
        outcome.error = Refusal(*outcome.plan.refusals)
    if outcome.error and written:
        outcome.error = Stopped(*outcome.error.problems, unfinished(environment.name, reference, written))


def unfinished(environment: str, reference: Reference, written: Written) -> Problem:
    """Describe a run that has written to the store but has not synced the cluster."""
    what = f"revision {written.after.id} was written, but the cluster is not synced yet"
    hint = f"run `bridge sync {word(environment)}` or the same command again to complete it"
    return Problem(str(reference), what, hint)


def _check_shown(reference: Reference, written: Written | None, documents: Mapping[Reference, Document]) -> None:
    """Raise Unavailable if the store returns an older revision than before, as Secret Manager sometimes does."""
    now = documents[reference].revision
    after = written.after if written else now
    if after.series == now.series and (after.order or 0) > (now.order or 0):
        raise Unavailable(Problem(str(reference), f"the store temporarily returns the older revision {now.id}"))
