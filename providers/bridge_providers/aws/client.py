"""Sends requests to AWS's services through boto3: one try each, bounded in time; bridge itself retries.

No exception of botocore is raised or kept, and no text of AWS's is shown: they may contain the request or the answer.
So an error is returned as a value, and raised outside of every handler. Only codes count
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and each operation's page).
"""

import re
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import botocore.session
from boto3.session import Session
from botocore import exceptions
from botocore.config import Config
from urllib3.exceptions import HTTPError

from bridge.http.proxies import is_loopback, proxy_from
from bridge.http.tls import is_untrusted
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Denied, NotFound, ProviderError, Unavailable
from bridge.trust import refused_program, refused_store

Failure = ProviderError | Unavailable

_TIMEOUTS: Final = {"connect_timeout": 10.0, "read_timeout": 30.0}  # seconds without a byte
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,60}")
_CONFIGURATION: Final = "AWS's configuration"
_MOST_PROFILES: Final = 10  # in a chain of source_profile
_LATER: Final = ("Throttling", "TooManyRequests", "RequestLimitExceeded", "InternalServ", "ServiceUnavailable")
_BAD_KEYS: Final = (
    *("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch"),
    *("ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "MissingAuthenticationToken"),
)
_NO_KEYS: Final = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)
_BROKEN_CHAIN: Final = (exceptions.CredentialRetrievalError, exceptions.TokenRetrievalError, exceptions.SSOError)
_NOT_FOUND: Final = ("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound")
_REFUSED: Final = "check the region and the name; `aws secretsmanager describe-secret --secret-id NAME` says more"
_RESTORE: Final = "run `aws secretsmanager restore-secret --secret-id NAME`"
_LASTING: Final = {
    "ProfileNotFound": "AWS's configuration has no such profile",
    "NoRegionError": "no region found",
    "FlexibleChecksumError": "the object does not match its checksum",
}
KEYS: Final = "keys"
_HINTS: Final = {
    KEYS: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the pod's role",
    "ProfileNotFound": "correct `profile` or AWS_PROFILE",
    "NoRegionError": "set `region` in the provider's section, or AWS_REGION",
}
_OUTAGES: Final[Mapping[str, tuple[type[Exception], ...]]] = {
    "did not answer in time": (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError),
    "cannot be reached through the proxy": (exceptions.ProxyConnectionError,),
    "dropped the connection": (
        *(exceptions.IncompleteReadError, exceptions.ResponseStreamingError, exceptions.ConnectionClosedError),
        HTTPError,
    ),
    "cannot be reached": (exceptions.ConnectionError, exceptions.HTTPClientError, OSError),
}


class Refused(ProviderError):
    """AWS's answer is an error with a code that only the caller can judge."""

    def __init__(self, what: str, code: str) -> None:
        super().__init__(what, hint=_REFUSED)
        self.code: Final = code


class Deleted(NotFound):
    """The secret is scheduled for deletion."""


def region_of(profile: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the region in AWS's configuration, or None; nothing is sent."""
    if region := environ.get("AWS_REGION"):  # first, as in AWS's own programs; botocore does not read it
        return region
    try:
        region = botocore.session.Session(profile=profile).get_config_variable("region")
    except exceptions.BotoCoreError:
        return None
    return region if isinstance(region, str) else None


class Service:
    """One service in one region, for any number of threads. Everything raises Denied, ProviderError or Unavailable."""

    def __init__(self, name: str, region: str | None, profile: str | None, context: Context) -> None:
        self._deadline: Final = context.deadline
        made = _made(name, region, profile, context)
        if isinstance(made, (ProviderError, Unavailable)):
            raise made
        self._client: Final = made
        self._place: Final[str] = made.meta.endpoint_url

    def call(self, operation: str, **fields: object) -> Mapping[str, Any]:
        """Return the answer to a request, whose names are boto3's; NotFound, or Refused with a code."""
        if time.monotonic() >= self._deadline:
            raise Unavailable("no time left for a request", hint="raise --timeout")
        answer = self._asked(operation, fields)
        if not isinstance(answer, Mapping):
            raise answer
        return answer

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _asked(self, operation: str, fields: Mapping[str, object]) -> Mapping[str, Any] | Failure:
        try:
            answer: Mapping[str, Any] = getattr(self._client, operation)(**fields)
        except exceptions.ClientError as error:
            return _refused(error, self._place)
        except (exceptions.BotoCoreError, OSError, ValueError) as error:
            return failed(error, self._place)
        return answer


def session_of(profile: str | None, environ: Mapping[str, str]) -> Session:
    """Return a session of AWS's configuration; raises botocore's errors.

    Raises Denied if a program that the trust file does not list would provide the keys. Keys in variables come first,
    unless a profile is chosen by name.
    """
    core = botocore.session.Session(profile=profile)
    if not environ.get("AWS_ACCESS_KEY_ID") or core.instance_variables().get("profile") is not None:
        profiles = core.full_config.get("profiles", {})
        name = core.profile or "default"
        for _ in range(_MOST_PROFILES):
            section = profiles.get(name, {})
            command = section.get("credential_process")
            named = f"credential_process of {_CONFIGURATION}"
            if command and (problem := refused_program(environ, _words(command), named)):
                raise Denied(problem.what, hint=problem.hint)
            name = section.get("source_profile", "")
    return Session(botocore_session=core)


def _words(command: str) -> Sequence[str]:
    try:
        return shlex.split(command) or ("",)
    except ValueError:  # which botocore does not start either
        return ("",)


class Way(NamedTuple):
    """How to reach a service: whose keys it gets, what names its server, and what else its `Config` has."""

    credential: str
    named_by: str
    environ: Mapping[str, str]
    deadline: float
    settings: Mapping[str, object] = {}


def connect(session: Session, service: str, way: Way, **options: object) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client. Nothing is sent to the service, but AWS's chain may fetch keys somewhere.

    Raises Denied if the trust file does not list its server, ProviderError for an invalid proxy, and botocore's errors.
    """
    left = max(way.deadline - time.monotonic(), 0.001)
    limits = {name: min(limit, left) for name, limit in _TIMEOUTS.items()}
    config = Config(**limits, retries={"total_max_attempts": 1}, proxies={}, **way.settings)
    client = session.client(service, config=config, **options)
    url = client.meta.endpoint_url  # which only the client knows
    if problem := refused_store(way.environ, url, way.credential, way.named_by):
        client.close()
        raise Denied(problem.what, hint=problem.hint)
    proxy = proxy_from(way.environ, url)
    if proxy is None:
        return client
    client.close()
    if proxy.wrong:
        raise ProviderError(f"{proxy.variable} is {proxy.wrong}", hint="write it as http://host:3128")
    return session.client(service, config=config.merge(Config(proxies={"https": proxy.url})), **options)


def _made(name: str, region: str | None, profile: str | None, context: Context) -> Any:  # noqa: ANN401 - as above
    """Return a client, or an error."""
    environ = context.environ
    region = region or environ.get("AWS_REGION")  # see region_of
    way = Way("aws", _CONFIGURATION, environ, context.deadline)
    try:
        client = connect(session_of(profile, environ), name, way, region_name=region)
    except exceptions.ClientError as error:  # of the service that gives out keys
        return chain_failure(error, _refused(error, _CONFIGURATION))
    except (exceptions.BotoCoreError, OSError, ValueError) as error:
        return failed(error, _CONFIGURATION)
    if wrong := _unusable(client.meta.endpoint_url):
        client.close()
        return ProviderError(f"the endpoint in AWS's configuration is {wrong}", hint="write it as https://host")
    return client


def _unusable(url: str) -> str | None:
    """Return why an endpoint may not get a request, without any part of it, or None."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    if "@" in rest:
        return "a URL with credentials in it"
    return None if scheme == "https" or is_loopback(host) else "plain http, which does not protect the secret"


class ErrorAnswer(NamedTuple):
    """The parts of an error's answer that count. The names of headers are in lower case."""

    status: int
    code: str
    headers: Mapping[str, str]
    fields: Mapping[str, object]

    @property
    def note(self) -> str:
        """The status and the code, if there is one."""
        return f"status {self.status}{', ' if self.code else ''}{self.code}"

    @property
    def is_temporary(self) -> bool:
        """Whether the status says that the service fails, or asks to slow down."""
        return self.status >= 500 or self.status == 429

    def unavailable(self, what: str) -> Unavailable:
        """Return the error for a temporary failure."""
        from bridge.http.response import retry_after  # noqa: PLC0415 - few requests fail

        wait = retry_after(self.headers.get("retry-after", ""), self.headers.get("date", ""))
        return Unavailable(what, retry_after=wait)


def answer_of(error: exceptions.ClientError) -> ErrorAnswer:
    """Return the answer in an error."""
    about, fields = error.response.get("ResponseMetadata", {}), error.response.get("Error", {})
    code = match[0] if (match := _CODE.fullmatch(str(fields.get("Code", "")))) else ""
    headers = {name.lower(): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
    return ErrorAnswer(int(about.get("HTTPStatusCode", 0)), code, headers, fields)


def _refused(error: exceptions.ClientError, place: str) -> Failure:
    """Return the error for an answer."""
    answer = answer_of(error)
    code, where = answer.code, f"at {place} ({answer.note})"
    if answer.is_temporary or code.startswith(_LATER):
        return answer.unavailable(f"temporary failure {where}")
    if code in _NOT_FOUND:
        return NotFound(f"no such secret, parameter or version {where}")
    # Its code says only that the secret's state is wrong. Being marked is the one such state that a reader can meet.
    if code == "InvalidRequestException" and "delet" in str(answer.fields.get("Message", "")):
        return Deleted("the secret is scheduled for deletion", hint=_RESTORE)
    return _denied(error, answer, where) or Refused(f"AWS refuses the request {where}", code)


def _denied(error: exceptions.ClientError, answer: ErrorAnswer, where: str) -> ProviderError | None:
    """Return an error if the keys are wrong, or lack a permission."""
    code = answer.code
    if code in _BAD_KEYS:
        return Denied(f"AWS refuses the keys of AWS's configuration {where}", hint="run `aws sts get-caller-identity`")
    if code == "RequestTimeTooSkewed":
        return Denied(f"AWS refuses the time of the request {where}", hint="correct this machine's clock")
    if not (code.startswith("AccessDenied") or answer.status in {401, 403}):
        return None
    service = "ssm" if "Parameter" in error.operation_name else "secretsmanager"
    hint = f"grant the role {service}:{error.operation_name}, and kms:Decrypt if it has its own key"
    return Denied(f"the role has no permission {where}", hint=hint)


def chain_failure(error: exceptions.ClientError, failure: Failure) -> Failure:
    """Return the error if a service that gives out keys refuses: `failure` is what its answer means elsewhere."""
    if isinstance(failure, Unavailable):
        return failure
    return Denied(f"the keys in AWS's configuration cannot be loaded: {error.operation_name} was refused")


def failed(error: Exception, place: str, hints: Mapping[str, str] = _HINTS) -> Failure:
    """Describe a request without an answer in our own words; `hints` are by the exception's name, and for `KEYS`."""
    if isinstance(error, exceptions.SSLError) and is_untrusted(error.kwargs.get("error")):
        return ProviderError(
            f"the certificate of {place} is not trusted", hint="set AWS_CA_BUNDLE to the file of its CA"
        )
    for words, kinds in _OUTAGES.items():
        if isinstance(error, kinds):
            return Unavailable(f"{place} {words}")
    if isinstance(error, _NO_KEYS):
        return Denied("no AWS keys found, or only one of the two", hint=hints[KEYS])
    name = type(error).__name__
    if isinstance(error, _BROKEN_CHAIN):
        return Denied(f"the keys in AWS's configuration cannot be loaded ({name})", hint=hints[KEYS])
    what = _LASTING.get(name, f"boto3 cannot send the request ({name})")
    return ProviderError(what, hint=hints.get(name, "run `aws configure list`"))
