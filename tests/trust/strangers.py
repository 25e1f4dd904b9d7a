"""A repository of a stranger's: every setting that can name a program names one that leaves a mark."""

import os
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
SETTINGS: Final = (
    "alias.cat-file",
    "alias.rev-list",
    "alias.rev-parse",
    "browser.evil.cmd",
    "core.alternateRefsCommand",
    "core.askPass",
    "core.editor",
    "core.fsmonitor",
    "core.gitProxy",
    "core.pager",
    "core.sshCommand",
    "credential.helper",
    "diff.evil.command",
    "diff.evil.textconv",
    "diff.external",
    "difftool.evil.cmd",
    "filter.evil.clean",
    "filter.evil.process",
    "filter.evil.smudge",
    "gc.recentObjectsHook",
    "gpg.openpgp.program",
    "gpg.program",
    "gpg.ssh.defaultKeyCommand",
    "gpg.ssh.program",
    "gpg.x509.program",
    "interactive.diffFilter",
    "man.evil.cmd",
    "merge.evil.driver",
    "mergetool.evil.cmd",
    "pager.cat-file",
    "pager.log",
    "pager.rev-list",
    "receive.procReceiveRefs",
    "remote.origin.receivepack",
    "remote.origin.uploadpack",
    "sequence.editor",
    "submodule.evil.update",
    "tar.evil.command",
    "trailer.evil.cmd",
    "trailer.evil.command",
    "uploadpack.packObjectsHook",
    "web.browser",
)
SWITCHES: Final = {
    "core.repositoryFormatVersion": "1",
    "diff.evil.cachetextconv": "false",
    "extensions.partialClone": "origin",
    "filter.evil.required": "true",
    "log.showSignature": "true",
    "protocol.allow": "always",
    "protocol.ext.allow": "always",
    "protocol.file.allow": "always",
    "remote.origin.partialCloneFilter": "blob:none",
    "remote.origin.promisor": "true",
    "submodule.recurse": "true",
}
HOOKS: Final = ("post-checkout", "post-index-change", "pre-auto-gc", "reference-transaction", "fsmonitor-watchman")
SIGNATURE: Final = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n"

# What a git that knows neither GIT_NO_LAZY_FETCH nor safe.bareRepository is given; what git starts is written down.
WRAPPER: Final = """#!/bin/bash
export GIT_TRACE2_EVENT={log}
if [ {age} = old ]; then unset GIT_NO_LAZY_FETCH; set -- "${{@/#safe.bareRepository=/x.y=}}"; fi
exec {git} "$@"
"""


class Stranger(NamedTuple):
    """A hostile repository, and what its programs leave behind."""

    folder: Path
    mark: Path

    def git(self, *words: str, check: bool = True, **environ: str) -> str:
        """Run git as anyone might, hardened by nothing."""
        variables = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"} | WHO | environ
        command = ["git", "-C", str(self.folder), *words]
        return subprocess.run(command, env=variables, check=check, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        """Commit everything, with a signature to verify."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        head, _, message = self.git("cat-file", "commit", "HEAD").partition("\n\n")
        signed = self.folder / ".git" / "signed"
        signed.write_text(f"{head}\n{SIGNATURE}\n{message}\n")
        commit = self.git("hash-object", "-t", "commit", "-w", str(signed))
        self.git("update-ref", "HEAD", commit)
        return commit

    def lose(self, name: str) -> None:
        """Remove a blob, as a partial clone has it not."""
        blob = self.git("rev-parse", name)
        (self.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()

    def arm(self, remote: dict[str, str]) -> None:
        """Write the settings; from now on a careless command runs a program."""
        program = self.folder / ".git" / "evil"
        program.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.mark}\nexit 1\n')
        program.chmod(0o755)
        hooks = self.folder / ".git" / "evil-hooks"
        hooks.mkdir()
        for name in HOOKS:
            (hooks / name).symlink_to(program)
        lines = ["[core]", f"\thooksPath = {hooks}"]
        for name, text in ({one: str(program) for one in SETTINGS} | SWITCHES | remote).items():
            section, _, key = name.rpartition(".")
            kind, _, part = section.partition(".")
            heading = f'[{kind} "{part}"]' if part else f"[{kind}]"
            prefix = "!" if name.startswith(("alias.", "submodule.evil.")) else ""
            lines += [heading, f'\t{key} = "{prefix}{text}"']
        (self.folder / ".git" / "included").write_text("\n".join(lines) + "\n")
        with (self.folder / ".git" / "config").open("a") as file:
            file.write("[include]\n\tpath = included\n")
        (self.folder / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil merge=evil\n")

    def remote(self, kind: str) -> dict[str, str]:
        """Return the settings of a remote that starts a program of the repository's."""
        program = self.folder / ".git" / "evil"
        return {
            "ext": {"remote.origin.url": f"ext::{program} %S"},
            "ssh": {"remote.origin.url": "ssh://nobody@localhost/x"},
            "file": {"remote.origin.url": f"file://{self.folder}"},
            "helper": {"remote.origin.url": "x", "remote.origin.vcs": "ext"},
        }[kind]


def wrapper(folder: Path, git: str, age: str) -> Path:
    """Write a `git` that writes down what git starts; return the log."""
    folder.mkdir()
    log = folder / "log"
    log.touch()
    program = folder / "git"
    program.write_text(WRAPPER.format(log=log, age=age, git=git))
    program.chmod(0o755)
    return log
