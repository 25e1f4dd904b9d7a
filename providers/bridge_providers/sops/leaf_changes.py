"""Finds out from git when each value of a file last changed, without a key: a new ciphertext counts as a new value."""

import os
from collections.abc import Mapping
from pathlib import Path

from bridge.git_history import Commit, contents, follow, names_of, origins, repository_of
from bridge.provider import Context, Leaf, ProviderError
from bridge_providers.sops import files
from bridge_providers.sops.outline import outline


def last_changes(file: Path, context: Context) -> Mapping[tuple[int, tuple[str, ...]], Commit]:
    """Return, for each place in a file, the commit that gave it its present ciphertext, or value in clear.

    A value that is not committed yet has no entry. GitError if git cannot tell, as outside a repository; in a shallow
    clone the oldest commit that it has counts as the change. ProviderError if the file cannot be read.
    """
    target = Path(os.path.realpath(file))
    repository = repository_of(target, context.environ, context.deadline)
    path = str(target.relative_to(repository.top))
    now = outline(target.name, files.read(target)).leaves
    changes = follow(repository, [path])[path]
    names = names_of(changes)
    versions: dict[str, Mapping[tuple[int, tuple[str, ...]], Leaf]] = {}
    for blob, data in contents(repository, names):
        try:
            versions[blob] = outline(names[blob], data).leaves
        except ProviderError:
            continue  # not encrypted yet, or damaged
    return {place: change.commit for place, change in origins(changes, now, versions, Leaf.same_as).items()}
