"""Sends requests to one AWS service through boto3: one try each, bounded in time; bridge itself retries.

No exception of botocore is raised or kept, and no text of AWS's is shown: they may contain the request or the answer.
So an error is returned as a value, and raised outside of every handler. Only codes count
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html and each operation's page).
"""

import re
import time
from collections.abc import Mapping
from typing import Any, Final

import botocore.session
from boto3.session import Session
from botocore import exceptions
from botocore.config import Config

from bridge.http.proxies import is_loopback, proxy_from
from bridge.http.tls import is_untrusted
from bridge.provider import Context, Denied, NotFound, ProviderError, Unavailable
from bridge_providers.aws.chain import check_chain, check_client

Failure = ProviderError | Unavailable

_TIMEOUTS: Final = {"connect_timeout": 10.0, "read_timeout": 30.0}  # seconds without a byte
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,60}")
_KEYS: Final = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or the pod's role"
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
    "ProfileNotFound": ("AWS's configuration has no such profile", "correct `profile` or AWS_PROFILE"),
    "NoRegionError": ("no region found", "set `region` in the provider's section, or AWS_REGION"),
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
            return _failed(error, self._place)
        return answer


def _made(name: str, region: str | None, profile: str | None, context: Context) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client, or an error. Nothing is sent to the service, but AWS's chain may fetch keys somewhere."""
    try:
        core = botocore.session.Session(profile=profile)
        check_chain(core, context.environ)
        session = Session(botocore_session=core)
        region = region or context.environ.get("AWS_REGION")  # see region_of
        client = session.client(name, region_name=region, config=_config({}, context))
        # Only the client knows the endpoint, and so whether it needs a proxy.
        url = client.meta.endpoint_url
        proxy = proxy_from(context.environ, url)
        if proxy and not proxy.wrong:
            client.close()
            client = session.client(name, region_name=region, config=_config({"https": proxy.url}, context))
    except exceptions.ClientError as error:  # of the service that gives out keys
        return _denied_chain(error)
    except (exceptions.BotoCoreError, OSError, ValueError) as error:
        return _failed(error, "AWS's configuration")
    if proxy and proxy.wrong:
        return ProviderError(f"{proxy.variable} is {proxy.wrong}", hint="write it as http://host:3128")
    if wrong := _unusable(url):
        return ProviderError(f"the endpoint in AWS's configuration is {wrong}", hint="write it as https://host")
    check_client(client, "aws", "AWS's configuration", context.environ)
    return client


def _config(proxies: Mapping[str, str], context: Context) -> Config:
    left = max(context.deadline - time.monotonic(), 0.001)
    limits = {name: min(limit, left) for name, limit in _TIMEOUTS.items()}
    return Config(**limits, retries={"total_max_attempts": 1}, proxies=proxies)


def _unusable(url: str) -> str | None:
    """Return why an endpoint may not get a request, without any part of it, or None."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest.partition("/")[0]
    if "@" in rest:
        return "a URL with credentials in it"
    return None if scheme == "https" or is_loopback(host) else "plain http, which does not protect the secret"


def _refused(error: exceptions.ClientError, place: str) -> Failure:
    """Return the error for an answer."""
    about, fields = error.response.get("ResponseMetadata", {}), error.response.get("Error", {})
    status = int(about.get("HTTPStatusCode", 0))
    code = match[0] if (match := _CODE.fullmatch(str(fields.get("Code", "")))) else ""
    where = f"at {place} (status {status}{', ' if code else ''}{code})"
    if status >= 500 or status == 429 or code.startswith(_LATER):
        from bridge.http.response import retry_after  # noqa: PLC0415 - few requests fail

        headers = {name.lower(): str(value) for name, value in about.get("HTTPHeaders", {}).items()}
        wait = retry_after(headers.get("retry-after", ""), headers.get("date", ""))
        return Unavailable(f"temporary failure {where}", retry_after=wait)
    if code in _NOT_FOUND:
        return NotFound(f"no such secret, parameter or version {where}")
    # Its code says only that the secret's state is wrong. Being marked is the one such state that a reader can meet.
    if code == "InvalidRequestException" and "delet" in str(fields.get("Message", "")):
        return Deleted("the secret is scheduled for deletion", hint=_RESTORE)
    return _denied(error, status, code, where) or Refused(f"AWS refuses the request {where}", code)


def _denied(error: exceptions.ClientError, status: int, code: str, where: str) -> ProviderError | None:
    """Return an error if the keys are wrong, or lack a permission."""
    if code in _BAD_KEYS:
        return Denied(f"AWS refuses the keys of AWS's configuration {where}", hint="run `aws sts get-caller-identity`")
    if code == "RequestTimeTooSkewed":
        return Denied(f"AWS refuses the time of the request {where}", hint="correct this machine's clock")
    if not (code.startswith("AccessDenied") or status in {401, 403}):
        return None
    service = "ssm" if "Parameter" in error.operation_name else "secretsmanager"
    hint = f"grant the role {service}:{error.operation_name}, and kms:Decrypt if it has its own key"
    return Denied(f"the role has no permission {where}", hint=hint)


def _denied_chain(error: exceptions.ClientError) -> Failure:
    failure = _refused(error, "AWS's configuration")
    if isinstance(failure, Unavailable):
        return failure
    return Denied(f"the keys in AWS's configuration cannot be loaded: {error.operation_name} was refused")


def _failed(error: Exception, place: str) -> Failure:
    """Describe a request without an answer in our own words."""
    if isinstance(error, exceptions.SSLError) and is_untrusted(error.kwargs.get("error")):
        hint = "set AWS_CA_BUNDLE to the file of its CA"
        return ProviderError(f"the certificate of {place} is not trusted", hint=hint)
    if isinstance(error, (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)):
        return Unavailable(f"{place} did not answer in time")
    if isinstance(error, (exceptions.HTTPClientError, exceptions.ConnectionError, OSError)):
        return Unavailable(f"cannot reach {place}")
    if isinstance(error, _NO_KEYS):
        return Denied("no AWS keys found, or only one of the two", hint=_KEYS)
    name = type(error).__name__
    if isinstance(error, _BROKEN_CHAIN):
        return Denied(f"the keys in AWS's configuration cannot be loaded ({name})", hint=_KEYS)
    what, hint = _LASTING.get(name, (f"boto3 cannot send the request ({name})", "run `aws configure list`"))
    return ProviderError(what, hint=hint)
