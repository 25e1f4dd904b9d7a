"""A folder beside a script that writes down each of its starts."""

import pytest

from bridge.provider import ProviderError, Unavailable
from tests.providers.sops.folder import everything_told_by


class Logged:
    """`secret` is what the script holds, which no error may tell."""

    def __init__(self, folder, secret):
        self.folder = folder
        self.secret = secret
        self.log = folder.path / "log"

    def starts(self):
        """Return the starts since the last time; those by sops are among them."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def refused(self, kind, provider):
        with pytest.raises((ProviderError, Unavailable)) as caught:
            self.folder.read("a.yaml", provider)
        assert type(caught.value) is kind
        told = everything_told_by(caught.value)
        assert "CANARY" not in told
        assert self.secret not in told
        return caught.value.problems[0]
