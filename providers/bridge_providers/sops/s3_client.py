"""Reads objects through boto3: one try, bounded in time and size. The core tries again what is temporary.

No exception of botocore is raised or kept: it may hold the request with its signature, or the answer. What goes wrong
is returned as a value, and raised outside of every handler.
"""

import os
import ssl
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any, BinaryIO, Final

import botocore.session
from boto3.session import Session
from botocore import exceptions
from botocore.config import Config
from urllib3.exceptions import HTTPError

from bridge.http.proxies import proxy_from
from bridge.provider import Denied, ProviderError, Unavailable
from bridge_providers.sops import origin, s3_answers
from bridge_providers.sops.files import LIMIT
from bridge_providers.sops.s3_answers import Asked, Refused
from bridge_providers.sops.s3_path import Place
from bridge_providers.sops.s3_store import Store, unusable

CONNECT_TIMEOUT: Final = 10.0  # seconds
READ_TIMEOUT: Final = 30.0  # seconds without a byte
_PIECE: Final = 8 << 10
_TOO_LARGE: Final = f"is larger than {LIMIT // 2**20} MiB"
_NO_KEYS: Final = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3_profile in the provider's section"
_AWS_KEYS: Final = "AWS's configuration"

_TEMPORARY: Final = (
    ((exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError), "did not answer in time"),
    ((exceptions.ProxyConnectionError,), "cannot be reached through the proxy"),
    (
        (
            exceptions.IncompleteReadError,
            exceptions.ResponseStreamingError,
            exceptions.ConnectionClosedError,
            HTTPError,
        ),
        "dropped the connection",
    ),
    ((exceptions.ConnectionError, exceptions.HTTPClientError, OSError), "cannot be reached"),
)
_NO_ENTRY: Final = (exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError, exceptions.SSOError)
_LASTING: Final = {
    exceptions.ProfileNotFound: "AWS's configuration has no such profile: see s3_profile and AWS_PROFILE",
    exceptions.NoRegionError: "no region is known: set s3_region in the provider's section, or AWS_DEFAULT_REGION",
    exceptions.FlexibleChecksumError: "the object does not have the checksum that it was stored with",
}


class Objects:
    """The objects of one store, for any number of threads. Everything raises Denied, ProviderError or Unavailable."""

    def __init__(self, store: Store, environ: Mapping[str, str], deadline: float) -> None:
        self._deadline: Final = deadline
        self._keys: Final = store.keys.place if store.keys else _AWS_KEYS
        made = _made(store, environ, self._left())
        if isinstance(made, (ProviderError, Unavailable)):
            raise made
        self._client: Final = made
        self._place: Final[str] = made.meta.endpoint_url
        if wrong := unusable(self._place):
            self._client.close()
            raise ProviderError(f"the endpoint of {_AWS_KEYS} is {wrong}", hint="see AWS_ENDPOINT_URL_S3")
        origin.check_client(made, origin.SCALEWAY if store.keys else origin.AWS, "s3", environ)

    def read(self, place: Place, revision: str | None) -> bytes:
        """Return an object's content, or that of one of its versions; NotFound where there is none."""
        self._left()
        found = self._read(place, revision)
        if not isinstance(found, bytes):
            raise found
        return found

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _left(self) -> float:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise Unavailable("no time is left for a request", hint="allow more with --timeout")
        return seconds

    def _read(self, place: Place, revision: str | None) -> bytes | ProviderError | Unavailable:
        version = {} if revision is None else {"VersionId": revision}
        try:
            answer = self._client.get_object(Bucket=place.bucket, Key=place.key, **version)
            with closing(answer["Body"]) as body:
                return self._content(body, answer.get("ContentLength", 0))
        except exceptions.ClientError as error:
            return _refused(error, Asked(self._place, self._keys, revision))
        except (exceptions.BotoCoreError, HTTPError, OSError) as error:
            return _failed(error, self._place)

    def _content(self, body: BinaryIO, length: int) -> bytes | ProviderError | Unavailable:
        """Read an answer to its end, no further than the limit, whatever length it claims."""
        if length > LIMIT:
            return ProviderError(_TOO_LARGE)
        data = bytearray()
        while piece := body.read(_PIECE):
            data += piece
            if len(data) > LIMIT:
                return ProviderError(_TOO_LARGE)
            if time.monotonic() > self._deadline:
                return Unavailable(f"the store at {self._place} did not answer in time")
        return bytes(data)


def _made(store: Store, environ: Mapping[str, str], left: float) -> Any:  # noqa: ANN401 - boto3 has no types
    """Make a client; no request is sent to the store, but AWS's chain may ask for keys somewhere."""
    try:
        session = _session(store, environ)
    except exceptions.BotoCoreError as error:
        return _failed(error, _AWS_KEYS)
    client = _client(session, store, left, {})
    if isinstance(client, (ProviderError, Unavailable)):
        return client
    # Only the client knows the endpoint of AWS's configuration, and with it whether a proxy leads there.
    proxy = proxy_from(environ, client.meta.endpoint_url)
    if proxy is None:
        return client
    client.close()
    if proxy.wrong:
        return ProviderError(f"{proxy.variable} is {proxy.wrong}", hint="write it as http://host:3128")
    return _client(session, store, left, {"https": proxy.url})


def _client(session: Session, store: Store, left: float, proxies: Mapping[str, str]) -> Any:  # noqa: ANN401 - as above
    config = Config(
        signature_version="s3v4",
        connect_timeout=min(CONNECT_TIMEOUT, left),
        read_timeout=min(READ_TIMEOUT, left),
        retries={"total_max_attempts": 1},
        proxies=proxies,
    )
    keys = store.keys
    given = {"aws_access_key_id": keys.access, "aws_secret_access_key": keys.secret.reveal().decode()} if keys else {}
    try:
        client = session.client("s3", region_name=store.region, endpoint_url=store.endpoint, config=config, **given)
    except exceptions.ClientError as error:
        return _refused(error, Asked(_AWS_KEYS, _AWS_KEYS, None))
    except (exceptions.BotoCoreError, OSError, ValueError) as error:
        return _failed(error, _AWS_KEYS)
    client.meta.events.register("before-call.s3.GetObject", _stay)
    return client


def _session(store: Store, environ: Mapping[str, str]) -> Session:
    """Start a session; with keys of our own, AWS's files and profiles have no say."""
    if store.keys is None:
        own = botocore.session.Session(profile=store.profile)
        origin.check_chain(own, environ)
        return Session(botocore_session=own)
    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None), **nowhere})
    return Session(botocore_session=core)


def _stay(context: dict[str, Any], **_: object) -> None:
    """Tell botocore that it has followed a redirect already: another region is for the operator to name."""
    context.setdefault("s3_redirect", {})["redirected"] = True


def _refused(error: exceptions.ClientError, asked: Asked) -> ProviderError | Unavailable:
    answer = error.response
    about, fields = answer.get("ResponseMetadata", {}), answer.get("Error", {})
    headers = {name.lower(): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
    refused = Refused(int(about.get("HTTPStatusCode", 0)), str(fields.get("Code", "")), headers, fields)
    found = s3_answers.failure(refused, asked)
    if error.operation_name == "GetObject" or isinstance(found, Unavailable):
        return found
    return Denied(f"the keys of {_AWS_KEYS} cannot be had: {error.operation_name} is refused")


def _failed(error: Exception, place: str) -> ProviderError | Unavailable:
    """Say what went wrong without an answer, in words of ours."""
    if isinstance(error, exceptions.SSLError) and _is_untrusted(error):
        what = f"the store at {place} shows a certificate that is not trusted"
        return ProviderError(what, hint="name its authority's file in AWS_CA_BUNDLE")
    for kinds, words in _TEMPORARY:
        if isinstance(error, kinds):
            return Unavailable(f"the store at {place} {words}")
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        return Denied("no keys are known, or only one of the two", hint=_NO_KEYS)
    if isinstance(error, _NO_ENTRY):
        return Denied(f"the keys of {_AWS_KEYS} cannot be had ({type(error).__name__})")
    return ProviderError(_LASTING.get(type(error), f"boto3 cannot ask the store ({type(error).__name__})"))


def _is_untrusted(error: exceptions.SSLError) -> bool:
    """Look for the reason in what botocore and urllib3 have wrapped."""
    inner: object = error.kwargs.get("error")
    while isinstance(inner, Exception) and not isinstance(inner, ssl.SSLCertVerificationError):
        inner = getattr(inner, "reason", None) or next(iter(inner.args), None)
    return inner is not None and isinstance(inner, ssl.SSLCertVerificationError)
