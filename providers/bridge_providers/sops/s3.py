"""Reads SOPS files from object storage, `s3://bucket/key`, through boto3: one try, bounded in time and size.

Nothing is guessed: the section's `s3` says which storage to use, and with which keys. The core retries temporary
failures. No exception of botocore is raised or kept, and no text of a store's error is shown: they may contain the
request with its signature, or the answer. So an error is returned as a value, and raised outside of every handler.
Only the codes count (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
"""

import os
import re
import time
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlsplit

from bridge.http.proxies import is_loopback
from bridge.named_tuple import NamedTuple
from bridge.provider import Denied, NotFound, OptionError, ProviderError, SecretValue, Unavailable
from bridge_providers.scaleway import paths
from bridge_providers.scaleway.profile import Profile, load
from bridge_providers.scaleway.settings import region_of
from bridge_providers.sops import origin
from bridge_providers.sops.files import LIMIT

if TYPE_CHECKING:
    from boto3.session import Session
    from botocore.exceptions import ClientError

    from bridge_providers.aws.client import ErrorAnswer
    from bridge_providers.sops import Sops

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and Scaleway's are the same."""
_LONGEST: Final = 1024  # bytes of a key
_FORM: Final = "write s3://bucket/key"
NO_STORE: Final = "the provider's section does not configure an object storage"
NO_STORE_HINT: Final = "add to it: s3: scaleway, or aws, or the URL of another store"
_ACCESS_KEY: Final = re.compile(r"[A-Za-z0-9@-]{3,128}")
_REGION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_HTTPS: Final = "write it as https://host; plain http is for loopback addresses only"
_PIECE: Final = 8 << 10
_AWS_KEYS: Final = "AWS's configuration"
_EXPIRED: Final = ("ExpiredToken", "TokenRefreshRequired")
_BAD_KEYS: Final = (*_EXPIRED, "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken")
_HINTS: Final = {
    "keys": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or s3_profile in the provider's section",
    "ProfileNotFound": "correct s3_profile or AWS_PROFILE",
    "NoRegionError": "set s3_region in the provider's section, or AWS_REGION",
    "FlexibleChecksumError": "try again, then restore the object",
}
_NO_STORE: Final = "check the endpoint and HTTPS_PROXY"
_LATER: Final = ("SlowDown", "TooManyRequests", "Throttling", "RequestTimeout", "OperationAborted", "TemporaryRedirect")
_ELSEWHERE: Final = ("AuthorizationHeaderMalformed", "IllegalLocationConstraintException")  # besides redirects


class Place(NamedTuple):
    """A bucket's name and an object's key in it."""

    bucket: str
    key: str


def parse(path: str) -> Place:
    """Read a path; ProviderError for anything but `s3://bucket/key`."""
    bucket, _, key = path.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ProviderError("s3:// is not followed by a valid bucket name", hint=_FORM)
    if "?versionId=" in key:
        raise ProviderError("the key contains a version", hint="write the version after the key: @VERSION")
    # The HTTP client may resolve `..`, and would then read another object.
    if {".", ".."} & {*key.split("/")}:
        raise ProviderError("the key has a part that is `.` or `..`", hint=_FORM)
    if not key or not key.isprintable() or len(key.encode()) > _LONGEST:
        raise ProviderError(f"the bucket is not followed by a key of 1 to {_LONGEST} bytes", hint=_FORM)
    return Place(bucket, key)


class Keys(NamedTuple):
    """A key pair, and its source."""

    access: str
    secret: SecretValue
    place: str

    def __repr__(self) -> str:
        return f"Keys({self.place})"


class Store(NamedTuple):
    """A store; what is None comes from AWS's own configuration."""

    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    keys: Keys | None = None


def check(options: "Sops") -> None:
    """Check the section's fields; OptionError."""
    for name in ("s3", "s3_region", "s3_profile"):
        value: object = getattr(options, name)  # a section may contain anything
        if value is not None and not (isinstance(value, str) and value and value.isprintable()):
            raise OptionError(name, "must be a string")
    if options.s3 not in {None, origin.AWS, origin.SCALEWAY} and (wrong := unusable(options.s3 or "")):
        raise OptionError("s3", f"is neither scaleway nor aws, and {wrong}", hint=_HTTPS)
    if options.s3_region is not None and not _REGION.fullmatch(options.s3_region):
        raise OptionError("s3_region", "is not a region such as fr-par or eu-west-3")


def unusable(url: str) -> str | None:
    """Return why a URL cannot be an endpoint, without any part of it, or None if it can."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and "@" not in url
    except ValueError:
        usable = False
    if not usable or not (url.isascii() and url.isprintable()) or parts.query or parts.fragment or " " in url:
        return "not the URL of a store"
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "plain http, which does not protect the document"
    return None


def find(options: "Sops", environ: Mapping[str, str]) -> Store:
    """Combine section, environment and profile; Denied without keys, ProviderError if they are invalid."""
    if options.s3 is None:
        raise ProviderError(NO_STORE, hint=NO_STORE_HINT)
    if options.s3 == origin.AWS:
        region = options.s3_region or environ.get("AWS_REGION")  # first, as in AWS's own programs; botocore ignores it
        return Store(None, region, options.s3_profile)
    if options.s3 != origin.SCALEWAY:
        origin.check_endpoint("s3", options.s3, "S3", environ)
        return Store(options.s3, options.s3_region, options.s3_profile)
    profile = load(environ, options.s3_profile)
    region = region_of(options.s3_region, "s3_region", environ, profile)
    # https://www.scaleway.com/en/docs/object-storage/concepts/
    endpoint = environ.get("SCW_S3_ENDPOINT") or f"https://s3.{region}.scw.cloud"
    if wrong := unusable(endpoint):
        raise ProviderError(f"SCW_S3_ENDPOINT is {wrong}", hint=_HTTPS)
    return Store(endpoint, region, None, _keys(environ, profile))


def _keys(environ: Mapping[str, str], profile: Profile) -> Keys:
    """Return both keys from one place: halves of two pairs would lead to a confusing error."""
    names = ("SCW_ACCESS_KEY", "SCW_SECRET_KEY")
    values = [environ.get(name) for name in names]
    if any(values):
        place, (access, secret) = " and ".join(names), values
        for name, value in zip(names, values, strict=True):
            if not value:
                raise Denied(f"{name} is not set; Object Storage needs both keys")
    else:
        key = profile.secret_key
        place, access = profile.place, profile.texts.get("access_key")
        secret = None if key is None else key.reveal().decode(errors="replace")
    if not access or not secret:
        hint = f"set SCW_ACCESS_KEY and SCW_SECRET_KEY, or run `scw init`; looked in {profile.place}"
        raise Denied("no access key and secret key found", hint=hint)
    # botocore would quote a header that it cannot send.
    if not (_ACCESS_KEY.fullmatch(access) and paths.is_uuid(secret)):
        raise Denied(f"the keys in {place} are not a valid access key and secret key")
    return Keys(access, SecretValue.of(secret), place)


class ObjectStorage:
    """The objects of one store, for any number of threads. Everything raises Denied, ProviderError or Unavailable."""

    def __init__(self, store: Store, environ: Mapping[str, str], deadline: float) -> None:
        self._deadline: Final = deadline
        self._keys: Final = store.keys.place if store.keys else _AWS_KEYS
        self._check_time()
        made = _made(store, environ, deadline)
        if isinstance(made, (ProviderError, Unavailable)):
            raise made
        self._client: Final = made
        self._place: Final[str] = made.meta.endpoint_url
        if wrong := unusable(self._place):
            self._client.close()
            raise ProviderError(
                f"the endpoint of {_AWS_KEYS} is {wrong}", hint="correct AWS_ENDPOINT_URL_S3 or the profile"
            )

    def read(self, place: Place, revision: str | None) -> bytes:
        """Return the content of an object, or of one of its versions; NotFound if it does not exist."""
        self._check_time()
        content = self._read(place, revision)
        if not isinstance(content, bytes):
            raise content
        return content

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._client.close()

    def _check_time(self) -> None:
        if self._deadline <= time.monotonic():
            raise Unavailable("no time left for a request", hint="raise --timeout")

    def _read(self, place: Place, revision: str | None) -> bytes | ProviderError | Unavailable:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 takes half a second
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - as above

        from bridge_providers.aws.client import failed  # noqa: PLC0415 - as above

        version = {} if revision is None else {"VersionId": revision}
        try:
            answer = self._client.get_object(Bucket=place.bucket, Key=place.key, **version)
            with closing(answer["Body"]) as body:
                return self._content(body, answer.get("ContentLength", 0))
        except ClientError as error:
            return _refused(error, self._place, self._keys, revision)
        except (BotoCoreError, HTTPError, OSError) as error:
            return failed(error, f"the store at {self._place}", _HINTS)
        except ValueError:  # boto3 parses some headers, and the error quotes them
            return ProviderError(f"the store at {self._place} sent headers that boto3 cannot read", hint=_NO_STORE)

    def _content(self, body: BinaryIO, length: int) -> bytes | ProviderError | Unavailable:
        """Read an answer up to the limit, whatever length it reports."""
        data = bytearray()
        while length <= LIMIT and (piece := body.read(_PIECE)):
            data += piece
            length = max(length, len(data))
            if time.monotonic() > self._deadline:
                return Unavailable(f"the store at {self._place} did not answer in time")
        return bytes(data) if length <= LIMIT else ProviderError(f"is larger than {LIMIT // 2**20} MiB")


def _made(store: Store, environ: Mapping[str, str], deadline: float) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client, or an error."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    from bridge_providers.aws.client import Way, connect, failed, session_of  # noqa: PLC0415 - as above

    keys = store.keys
    way = Way(origin.SCALEWAY if keys else origin.AWS, "s3", environ, deadline, {"signature_version": "s3v4"})
    pair = {"aws_access_key_id": keys.access, "aws_secret_access_key": keys.secret.reveal().decode()} if keys else {}
    try:
        session = _session_of_nobody() if keys else session_of(store.profile, environ)
        client = connect(session, "s3", way, region_name=store.region, endpoint_url=store.endpoint, **pair)
    except ClientError as error:
        return _refused(error, _AWS_KEYS, _AWS_KEYS, None)
    except (BotoCoreError, OSError, ValueError) as error:
        return failed(error, _AWS_KEYS, _HINTS)
    client.meta.events.register("before-call.s3.GetObject", _stay)
    return client


def _session_of_nobody() -> "Session":
    """Start a session for a store with keys of its own: AWS's files and profiles are not read."""
    import botocore.session  # noqa: PLC0415 - as above
    from boto3.session import Session  # noqa: PLC0415 - as above

    nowhere = dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))
    core = botocore.session.Session(session_vars={"profile": (None, None, None, None), **nowhere})
    return Session(botocore_session=core)


def _stay(context: dict[str, Any], **_: object) -> None:
    """Make botocore believe that it has followed a redirect already: the operator must name another region."""
    context.setdefault("s3_redirect", {})["redirected"] = True


class _Refused(NamedTuple):
    """An answer without an object, and what was requested."""

    place: str
    keys: str
    revision: str | None
    answer: "ErrorAnswer"


def _refused(error: "ClientError", place: str, keys: str, revision: str | None) -> ProviderError | Unavailable:
    """Return the error for an answer."""
    from bridge_providers.aws.client import answer_of, chain_failure  # noqa: PLC0415 - as above

    failure = _failure(_Refused(place, keys, revision, answer_of(error)))
    return failure if error.operation_name == "GetObject" else chain_failure(error, failure)


def _failure(asked: _Refused) -> ProviderError | Unavailable:
    answer, note = asked.answer, asked.answer.note
    if answer.is_temporary or answer.code in _LATER:
        return answer.unavailable(f"the store fails or asks to slow down ({note})")
    if answer.code in _ELSEWHERE or 300 <= answer.status < 400:
        return _elsewhere(asked)
    if "html" in answer.headers.get("content-type", "").lower():
        return ProviderError(f"the server at {asked.place} is not a store: it sent a web page ({note})", hint=_NO_STORE)
    error = _absent(asked) or _denied(asked)
    return error or ProviderError(f"the store at {asked.place} refuses the request ({note})")


def _absent(asked: _Refused) -> NotFound | None:
    """Return an error if the bucket, the object or the version is missing."""
    answer, note, code = asked.answer, asked.answer.note, asked.answer.code
    if answer.headers.get("x-amz-delete-marker") == "true":
        message = "this version is a delete marker" if asked.revision else "it was deleted"
        return NotFound(f"{message} ({note})", hint="earlier versions may still exist")
    malformed = code == "InvalidArgument" and answer.fields.get("ArgumentName") in {"versionId", None}
    if code == "NoSuchVersion" or (asked.revision and malformed):
        return NotFound(f"no such version ({note})")
    if answer.status == 404:
        missing = "bucket" if code == "NoSuchBucket" else "object or version" if asked.revision else "object"
        return NotFound(f"no such {missing} at {asked.place} ({note})")
    return None


def _denied(asked: _Refused) -> ProviderError | None:
    """Return an error if the keys are wrong, or lack a permission."""
    answer, note = asked.answer, asked.answer.note
    if answer.code in _BAD_KEYS:
        return Denied(f"the keys in {asked.keys} are wrong or have expired ({note})")
    if answer.code == "RequestTimeTooSkewed":
        return Denied(f"the store refuses the time of the request ({note})", hint="correct this machine's clock")
    if answer.code == "InvalidObjectState":
        return ProviderError(f"the object is archived ({note})", hint="restore it to a class that can be read at once")
    if answer.status not in {401, 403}:
        return None
    right = "s3:GetObjectVersion" if asked.revision else "s3:GetObject"
    hint = f"grant them {right}; without s3:ListBucket, a missing object is refused in the same way"
    return Denied(f"the keys in {asked.keys} may not read it at {asked.place} ({note})", hint=hint)


def _elsewhere(asked: _Refused) -> ProviderError:
    """Return an error with the bucket's region, if the answer names it."""
    answer, note = asked.answer, asked.answer.note
    region = answer.headers.get("x-amz-bucket-region") or answer.fields.get("Region")
    if isinstance(region, str) and _REGION.fullmatch(region):
        return ProviderError(f"the bucket is in the region {region} ({note})", hint=f"set s3_region: {region}")
    hint = "set s3_region to the bucket's region"
    return ProviderError(f"the store at {asked.place} says that the bucket is in another region ({note})", hint=hint)
