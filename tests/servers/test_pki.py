"""The certificates of the tests' own authority."""

import socket
import ssl
import threading
from pathlib import Path

from tests.servers.pki import Authority


def test_strict_client_trusts_what_authority_issues(tmp_path: Path) -> None:
    """From Python 3.13 on every client of `ssl.create_default_context` is strict."""
    authority = Authority(tmp_path)
    serving = authority.serving()
    trusting = ssl.create_default_context(cafile=str(authority.file))
    trusting.verify_flags |= ssl.VERIFY_X509_STRICT
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answer = threading.Thread(target=lambda: serving.wrap_socket(theirs, server_side=True).close())
        answer.start()
        with trusting.wrap_socket(ours, server_hostname="localhost") as connection:
            assert connection.getpeercert()
        answer.join(120)
