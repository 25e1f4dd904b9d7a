"""Which variables of a process are credentials by their name."""

import pytest

from bridge.sources.value_checks import is_login

LOGINS = [
    "VAULT_TOKEN",
    "BAO_TOKEN",
    "VAULT_SECRET_ID",
    "VAULT_ROLE_ID",
    "VAULT_ID_TOKEN",
    "VAULT_PASSWORD",
    "VAULT_CLIENT_KEY",
    "SCW_SECRET_KEY",
    "SCW_ACCESS_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "SOPS_AGE_KEY",
    "SOPS_AGE_KEY_FILE",
    "SOPS_AGE_KEY_CMD",
    "SOPS_AGE_SSH_PRIVATE_KEY_FILE",
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
    "ACTIONS_RUNTIME_TOKEN",
    "CI_JOB_TOKEN",
    "CI_REGISTRY_PASSWORD",
    "CI_JOB_JWT_V2",
    "CI_DEPLOY_PASSWORD",
    "SYSTEM_ACCESSTOKEN",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AZURE_CLIENT_SECRET",
    "KUBECONFIG",
    "KUBE_TOKEN",
    "DOCKER_AUTH_CONFIG",
]
OTHERS = [
    "VAULT_ADDR",
    "VAULT_NAMESPACE",
    "BAO_ADDR",
    "SCW_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_PROFILE",
    "SOPS_AGE_RECIPIENTS",
    "CI_COMMIT_SHA",
    "GITHUB_SHA",
    "K8_ENV",
    "K8S_NAMESPACE",
    "LOG_LEVEL",
    "OPENAI_API_KEY",
    "KUBERNETES_SERVICE_HOST",
    "TOKEN_LIFETIME",
]


@pytest.mark.parametrize(("name", "is_one"), [*((one, True) for one in LOGINS), *((one, False) for one in OTHERS)])
def test_login_is_recognised_by_its_name(name: str, is_one: bool) -> None:
    assert is_login(name) is is_one
