"""Histories that a property found once, as hypothesis shrank them or shorter, and some that chance seldom meets."""

from typing import Final

import pytest

from tests.properties.configuration import Configuration, Id, Manifest, Source, Var, text
from tests.properties.conftest import NewDesk, NewTarget
from tests.properties.histories import play
from tests.properties.others import Move, apply_over, edit, edit_and_back, kubectl_apply
from tests.properties.strategies import Round

CONFIG: Final = Id("ConfigMap", "a")


def configuration(id_: Id, variable: Var, value: str) -> Configuration:
    source = Source("sops", "values.sops.json", {variable.name: text(value), "P9": text("1")})
    return Configuration(((Manifest(id_, {"B": (variable,)}),),), (source,))


def recreated(labels: dict[str, str], annotations: dict[str, str], key: str) -> Configuration:
    one = Manifest(CONFIG, {key: (Var("P1"),)}, immutable=True, labels=labels, annotations=annotations)
    return Configuration(((one,),), (Source("plain", "values.json", {"P1": text("1")}),))


FOUND: Final = {
    # Created without a field, an object has no managed fields; nor do later updates make any, until the first apply.
    "object whose managers the API server did not track": (
        Round(
            configuration(CONFIG, Var("P1"), "1"),
            (Move("edit", CONFIG, edit({"A": None})), Move("apply", CONFIG, kubectl_apply({"A": "theirs"}))),
        ),
        Round(configuration(CONFIG, Var("P1"), "2")),
    ),
    # sops leaves an empty text in clear, but a check reads names only.
    "required variable that is empty in a SOPS file": (
        Round(configuration(Id("Secret", "a"), Var("S1", ":?", "a message"), "")),
    ),
    # The report of a recreation also lists what the new object lacks.
    "recreation without what left the templates": (
        Round(recreated(labels={"l1": "v"}, annotations={"n1": "v"}, key="A")),
        Round(recreated(labels={}, annotations={}, key="B"), (), ("--allow-shrink", "--recreate", "ConfigMap/a")),
    ),
}


ONE: Final = configuration(CONFIG, Var("P1"), "1")
OTHER: Final = configuration(Id("ConfigMap", "e"), Var("P1"), "1")
BARE: Final = Configuration(
    ((Manifest(Id("Secret", "a"), {"A": (Var("S1"),)}, "kubernetes.io/basic-auth"),),),
    (Source("plain", "values.json", {"S1": text("CANARY-1")}),),
)
SELDOM: Final = {
    "key that another applier took over": (
        Round(ONE),
        Round(ONE, (Move("apply over", CONFIG, apply_over("flux", changed=True)),)),
    ),
    "key that another applier has too": (
        Round(ONE),
        Round(ONE, (Move("apply over", CONFIG, apply_over("flux", changed=False)),)),
    ),
    "key that was edited and edited back": (Round(ONE), Round(ONE, (Move("edit and back", CONFIG, edit_and_back),))),
    "object that left the templates, but another manager wrote to it": (
        Round(ONE),
        Round(OTHER, (Move("edit and back", CONFIG, edit_and_back),), ("--prune", "--allow-shrink")),
    ),
    "Secret without a key that its type requires": (Round(BARE),),
}


@pytest.mark.parametrize("name", [*FOUND, *SELDOM])
def test_laws_hold_in_history_that_was_found(new_desk: NewDesk, embedded_namespace: NewTarget, name: str) -> None:
    play(new_desk(embedded_namespace()), {**FOUND, **SELDOM}[name])
