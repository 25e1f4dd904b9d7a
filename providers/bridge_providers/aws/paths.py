"""The paths of references: a secret's name or ARN, or `ssm:` and the name of a parameter or of a folder of them."""

import re
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import ProviderError

REGION: Final = re.compile(r"[a-z]{2,3}(?:-[a-z]+){1,3}-\d{1,2}")
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SSM", "AWS_ENDPOINT_URL")
PARAMETERS: Final = "ssm:"
_SECRET: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
"""https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html"""
_PARAMETER: Final = re.compile(r"/?[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*/?")
"""https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html"""
_ARN: Final = re.compile(r"arn:aws[a-z-]*:(secretsmanager):([a-z0-9-]{1,32}):\d{12}:secret:([A-Za-z0-9/_+=.@-]{1,520})")
_LONGEST: Final = 1011  # characters of a parameter's name


class Place(NamedTuple):
    """What a path names: `name` is a secret's name or ARN, or a parameter's name; `region` is the ARN's, or None."""

    service: str  # as boto3 calls it: secretsmanager or ssm
    name: str
    region: str | None = None


def parse(path: str) -> Place:
    """Read a path; ProviderError if it names neither a secret nor a parameter."""
    if path.startswith(PARAMETERS):
        name = path.removeprefix(PARAMETERS)
        if len(name) <= _LONGEST and _PARAMETER.fullmatch(name):
            return Place("ssm", name)
        raise ProviderError("ssm: is not followed by a parameter's name", hint="write ssm:/voice/staging")
    if match := _ARN.fullmatch(path):
        return Place("secretsmanager", path, match[2])
    if path.startswith("arn:"):
        raise ProviderError("is not the ARN of a secret", hint="for a parameter, write ssm: and its name")
    if _SECRET.fullmatch(path):
        return Place("secretsmanager", path)
    hint = "use letters, digits and / _ + = . @ -; for a parameter, write ssm: and its name"
    raise ProviderError("is not a secret's name", hint=hint)
