"""What a reference to an object in object storage may look like: `s3://bucket/key`."""

import re
from typing import Final, NamedTuple

from bridge.provider import ProviderError

SCHEME: Final = "s3://"
_BUCKET: Final = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, and Scaleway's are the same."""
_LONGEST: Final = 1024  # bytes of a key
_FORM: Final = "write s3://bucket/key"
NO_STORE: Final = "the provider's section does not say which object storage it is in"
NO_STORE_HINT: Final = "set s3 there: scaleway, aws, or the URL of another store"


class Place(NamedTuple):
    """A bucket's name and an object's key in it."""

    bucket: str
    key: str


def is_object(path: str) -> bool:
    """Say whether a path leads into object storage and not to a file."""
    return path.startswith(SCHEME)


def parse(path: str) -> Place:
    """Read a path; ProviderError for anything but `s3://bucket/key`."""
    bucket, _, key = path.removeprefix(SCHEME).partition("/")
    if not re.fullmatch(_BUCKET, bucket):
        raise ProviderError("what follows s3:// is not the name of a bucket", hint=_FORM)
    if "?versionId=" in key:
        raise ProviderError("a version does not belong into the key", hint="write it behind the key: @VERSION")
    # What sends the request may fold `..`, and another object than the one that is named would be read.
    if {".", ".."} & {*key.split("/")}:
        raise ProviderError("the key has a part that is `.` or `..`", hint=_FORM)
    if not key or not key.isprintable() or len(key.encode()) > _LONGEST:
        raise ProviderError(f"what follows the bucket is not a key of 1 to {_LONGEST} bytes", hint=_FORM)
    return Place(bucket, key)
