"""Decrypts data keys with AWS KMS, through boto3, with only those keys and roles that the section allows (sops kms).

Region, profile, role and encryption context come from the file's key. Each request is sent once, with a time limit;
the core retries. No exception of botocore is raised or kept, because it may contain the request or the answer.
"""

import binascii
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from boto3.session import Session
from botocore import exceptions

from bridge.provider import Context, Denied, ProviderError, Unavailable
from bridge_providers.aws.client import Way, answer_of, connect, failed, session_of
from bridge_providers.sops import origin
from bridge_providers.sops.key_types import Failure, Group, KmsKey, joined

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:([a-z0-9-]{1,32}):[0-9]{1,20}:(?:key|alias)/[\w/-]{1,256}", re.ASCII)
_SESSION_NAME: Final = re.compile(r"[^\w+=,.@-]+", re.ASCII)
_ALLOW: Final = "if it is yours, add to the provider's section: kms: {allow: [arn:…]}"

# https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors, and the common errors
_REASONS: Final = {
    "AccessDeniedException": (Denied, "access to it is denied"),
    "AccessDenied": (Denied, "access to its role is denied"),
    "UnrecognizedClientException": (Denied, "AWS does not know the keys in AWS's configuration"),
    "InvalidClientTokenId": (Denied, "AWS does not know the keys in AWS's configuration"),
    "InvalidSignatureException": (Denied, "the keys in AWS's configuration do not belong together"),
    "ExpiredTokenException": (Denied, "the keys in AWS's configuration have expired"),
    "NotFoundException": (ProviderError, "the key does not exist"),
    "DisabledException": (ProviderError, "the key is disabled"),
    "KMSInvalidStateException": (ProviderError, "the key is pending deletion, or cannot be used now"),
    "IncorrectKeyException": (ProviderError, "the data key was not encrypted with it"),
    "InvalidCiphertextException": (ProviderError, "the data key or its encryption context was changed"),
}
_TEMPORARY: Final = (
    *("ThrottlingException", "Throttling", "DependencyTimeoutException"),
    *("KMSInternalException", "LimitExceededException"),
)


class Kms:
    """The clients, one for each region, profile and role."""

    warnings: Final = ()
    left: Final = ()

    def __init__(self, options: "Sops", context: Context) -> None:
        section = options.kms or {}
        allow = section.get("allow")
        self._allow: Final[tuple[str, ...]] = tuple(allow) if isinstance(allow, list) else ()
        self._endpoint: Final = section.get("endpoint")
        if isinstance(self._endpoint, str):
            origin.check_endpoint("the endpoint of kms", self._endpoint, "KMS", context.environ)
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._clients: Final[dict[tuple[str, str, str], Any]] = {}

    def open(self, group: Group) -> bytes:
        """Decrypt with the first key that is allowed and works."""
        errors: list[Failure] = []
        for key in group.kms:
            result = self._forbidden(key) or self._tried(key)
            if isinstance(result, bytes):
                return result
            errors.append(result)
        raise joined(errors)

    def close(self) -> None:
        """Close connections."""
        for client in list(self._clients.values()):
            client.close()
        self._clients.clear()

    def _forbidden(self, key: KmsKey) -> Failure | None:
        if not _ARN.fullmatch(key.arn):
            return ProviderError("one of its kms keys has an invalid ARN")
        for arn in filter(None, (key.arn, key.role)):
            if arn not in self._allow:
                shown = arn if arn.isprintable() and len(arn) < 300 else "an ARN"
                return Denied(f"{shown} is not in `allow` of the kms section, so AWS is not asked", hint=_ALLOW)
        return None

    def _tried(self, key: KmsKey) -> bytes | Failure:
        try:
            blob = binascii.a2b_base64(key.enc, strict_mode=True)
        except ValueError:
            return ProviderError(f"the data key for {key.arn} is damaged")

        def decrypt() -> bytes:
            answer = self._client(key).decrypt(CiphertextBlob=blob, KeyId=key.arn, EncryptionContext=dict(key.context))
            return bytes(answer["Plaintext"])

        result = _guarded(decrypt, key.arn)
        assert isinstance(result, (bytes, ProviderError, Unavailable))
        return result

    def _client(self, key: KmsKey) -> Any:  # noqa: ANN401 - boto3 has no types
        """Return a client for a key; raises botocore's errors."""
        match = _ARN.fullmatch(key.arn)
        assert match
        which = (match[1], key.profile, key.role)
        with self._lock:
            if which not in self._clients:
                self._clients[which] = self._made(*which)
            return self._clients[which]

    def _made(self, region: str, profile: str, role: str) -> Any:  # noqa: ANN401 - as above
        session = session_of(profile or None, self._context.environ)
        if role:
            sts = self._reached(session, "sts", region)
            try:
                host = _SESSION_NAME.sub("", socket.gethostname())
                credentials = sts.assume_role(RoleArn=role, RoleSessionName=f"sops@{host}"[:64])["Credentials"]
            finally:
                sts.close()
            session = Session(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        return self._reached(session, "kms", region)

    def _reached(self, session: Session, service: str, region: str) -> Any:  # noqa: ANN401 - as above
        """Return a client for AWS's endpoint or the section's."""
        context = self._context
        if context.deadline <= time.monotonic():
            raise exceptions.ReadTimeoutError(endpoint_url="")
        named_by = "the environment's file" if self._endpoint else "its kms key"
        settings = {"ignore_configured_endpoint_urls": True}
        way = Way(origin.AWS, named_by, context.environ, context.deadline, settings)
        return connect(session, service, way, region_name=region, endpoint_url=self._endpoint)


def _guarded(ask: Callable[[], bytes], arn: str) -> bytes | Failure:
    """Return the result of a request, or its error."""
    try:
        return ask()
    except exceptions.ClientError as error:
        return _refused(error, arn)
    except ProviderError as error:
        return error
    except (exceptions.BotoCoreError, OSError, ValueError) as error:
        return _failed(error, arn)


def _failed(error: Exception, arn: str) -> Failure:
    """Describe a request without an answer in our own words."""
    message = f"cannot ask AWS KMS for {arn}"
    if isinstance(error, exceptions.ProfileNotFound):
        return Denied(f"{message}: the profile that the file names is not in AWS's configuration")
    failure = failed(error, "AWS KMS")
    (problem,) = failure.problems
    return type(failure)(f"{message}: {problem.what}", hint=problem.hint)


def _refused(error: exceptions.ClientError, arn: str) -> Failure:
    answer = answer_of(error)
    reason = answer.code or answer.status
    if answer.is_temporary or answer.code in _TEMPORARY:
        return answer.unavailable(f"temporary failure of AWS KMS for {arn} ({reason})")
    kind, what = _REASONS.get(answer.code, (ProviderError, f"AWS refuses ({reason})"))
    return kind(f"AWS KMS cannot decrypt it with {arn}: {what}")
