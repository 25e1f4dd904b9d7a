"""The values of ConfigMaps, which go into the environment's own template in plaintext."""

from collections.abc import Iterable
from typing import Final

from bridge.config.common_value import commonness, is_plain
from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateUse
from bridge.config.template_value import looks_encrypted
from bridge.errors import Problem
from bridge.importing.items import Item, Scene, State
from bridge.importing.plaintext import PlainEntry
from bridge.importing.secret_values import ENCRYPTED, value_in_source
from bridge.secret import SecretValue
from bridge.sources.doubtful_values import why_no_value
from bridge.stores.slots import Slot, value_at

NO_TEMPLATE: Final = "the environment has no template of its own for public values"


class Public:
    """Decides what to do with the values of ConfigMaps; errors and warnings are added to `problems`.

    `secrets` are all values that must not become public.
    """

    def __init__(self, scene: Scene, secrets: Iterable[PlainEntry], problems: list[Problem]) -> None:
        self._scene = scene
        self._secrets = [secret for secret in secrets if not secret.value.is_empty()]
        self._problems = problems

    def decide(self, entry: PlainEntry, use: TemplateUse) -> Item | None:
        """Return what happens to the value of a ConfigMap's key, or None if there is a problem."""
        value = entry.value
        kept = self._in_manifests(entry, use) or self._kept(use, value)
        if isinstance(kept, Problem):
            self._problems.append(kept)
            return None
        if kept:
            return Item(entry, State.SAME, kept, use.variable)
        reason = why_no_value(value, is_public=True)
        if reason:
            return Item(entry, State.LEFT, reason)
        problem = self._refused(entry) or self._without_effect(entry, use)
        if problem:
            self._problems.append(problem)
            return None
        is_ours = use.template.place == self._scene.own and not use.names
        state = State.DIFFERENT if is_ours else State.NEW
        return Item(entry, state, self._scene.own or "", use.variable, public=use)

    def _in_manifests(self, entry: PlainEntry, use: TemplateUse) -> str | Problem | None:
        """Look into the sources that consist of manifests: their keys take precedence over templates."""
        for reference in dict.fromkeys((*self._scene.environment.sources, self._scene.to)):
            stored = value_in_source(self._scene.documents[reference], use.object, use.key, None)
            if stored is None:
                continue
            if stored.same_as(entry.value):
                return str(reference)
            what = f"{reference} gives a different value for this key and overrides templates"
            return Problem(str(entry), what, "remove or change it there")
        return None

    def _kept(self, use: TemplateUse, value: SecretValue) -> str | None:
        """Return which place already gives this value without depending on a file that may be absent elsewhere."""
        parts = use.template.parts
        literals = [part for part in parts if isinstance(part, SecretValue)]
        if len(literals) == len(parts):
            whole = SecretValue(b"".join(part.reveal() for part in literals))
            return use.template.place if whole.same_as(value) else None
        return self._from_source(use, value) or self._from_default(use, value)

    def _from_source(self, use: TemplateUse, value: SecretValue) -> str | None:
        variable = use.variable
        if variable is None:
            return None
        exception = self._scene.environment.variables.get(variable)
        if exception:
            slot = Slot(exception.reference.field, base64=exception.decode == "base64")
            stored = value_at(self._scene.documents[exception.reference.document], slot)
            return str(exception.reference) if stored is not None and stored.same_as(value) else None
        for reference in self._scene.environment.sources:
            stored = value_in_source(self._scene.documents[reference], None, "", variable)
            if stored is not None:
                return str(reference) if stored.same_as(value) else None
        return None

    def _from_default(self, use: TemplateUse, value: SecretValue) -> str | None:
        part = use.template.parts[0]
        values = self._scene.env_layer.values
        if use.variable is None or not isinstance(part, Placeholder) or part.default is None:
            return None
        if values is None or part.name in values:
            return None  # the env file, here or elsewhere, takes precedence over the default
        return use.template.place if SecretValue.of(part.default).same_as(value) else None

    def _refused(self, entry: PlainEntry) -> Problem | None:
        twin = next((secret for secret in self._secrets if secret.value.same_as(entry.value)), None)
        content = entry.value.reveal().strip()
        if twin and not commonness(content):
            return Problem(str(entry), f"has the value of {twin}, and would become public", "put it in a Secret")
        if twin and not is_plain(content):
            what = f"has the value of {twin}, and becomes public"
            self._problems.append(
                Problem(str(entry), what, "put it in a Secret if the match is not a coincidence", warning=True)
            )
        if looks_encrypted(entry.value):
            return Problem(str(entry), ENCRYPTED, "import the unencrypted file")
        if not entry.value.is_text():
            return Problem(str(entry), "is not text", "add it to a template by hand, under binaryData")
        return None

    def _without_effect(self, entry: PlainEntry, use: TemplateUse) -> Problem | None:
        environment, own = self._scene.environment, self._scene.own
        if own is None:
            hint = f"add `- {environment.name}.public.yaml` to `templates`; the import creates the file"
            return Problem(environment.shown(environment.file), NO_TEMPLATE, hint)
        if use.template.place in self._scene.later:
            what = f"{use.template.place} comes after {own} in `templates`, so its value would override this one"
            return Problem(str(entry), what, f"list {own} last")
        return None
