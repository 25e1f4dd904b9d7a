"""`bridge status`: which variables are used, where each comes from, what the cluster has."""

import re

from tests.runs.conftest import SECRETS, Desk


def test_the_table_of_variables(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand", DEEPGRAM_API_KEY=None)
    desk.canaries.add("CANARY-by-hand")
    desk.values(CARTESIA_API_KEY="CANARY-new", LEFT_OVER="CANARY-left-over")
    desk.write("base/secrets.yml", SECRETS + "  ADDED: $${literal}\n")
    result = desk.run("status", "staging")
    assert result.status == 0
    text = re.sub(r"20[-0-9]+T[:0-9]+Z", "THEN", result.out)
    assert re.sub(" {2,}", "  ", text).splitlines() == [
        "VARIABLE  OBJECT  KEY  FROM  STATE  LAST CHANGE",
        "LIVEKIT_API_KEY  Secret/shared-secrets  LIVEKIT_API_KEY  plain:values.json @ 1  in sync  THEN",
        "LIVEKIT_API_SECRET  Secret/shared-secrets  LIVEKIT_API_SECRET  plain:values.json @ 1  in sync  THEN",
        "CARTESIA_API_KEY  Secret/agent-secrets  CARTESIA_API_KEY  plain:values.json @ 1  outdated  THEN",
        "OPENAI_API_KEY  Secret/agent-secrets  OPENAI_API_KEY  plain:values.json @ 1  drifted  THEN",
        "DEEPGRAM_API_KEY  Secret/agent-secrets  DEEPGRAM_API_KEY  plain:values.json @ 1  removed by hand  THEN",
        "-  Secret/agent-secrets  ADDED  base/secrets.yml  missing  -",
        "LIVEKIT_URL  ConfigMap/shared-config  LIVEKIT_URL  .env.k8s.staging  in sync  THEN",
        "DOMAIN  ConfigMap/shared-config  DOMAIN  .env.k8s.staging  in sync  THEN",
        "K8_ENV  ConfigMap/agent-config  ENV_MODE  .env.k8s.staging  in sync  THEN",
        "LOG_LEVEL  ConfigMap/agent-config  LOG_LEVEL  base/configmap.yml  in sync  THEN",
        "-  ConfigMap/agent-config  METRICS_ENABLED  base/configmap.yml  in sync  THEN",
        "-  ConfigMap/front-config  NODE_ENV  base/configmap.yml  in sync  THEN",
        "CACHE_ENABLED  ConfigMap/front-config  CACHE_ENABLED  base/configmap.yml  in sync  THEN",
        "",
        "SOURCE  REVISION  WRITTEN LAST  ORDER  UNUSED FIELDS",
        "plain:values.json  1  1  none  LEFT_OVER",
    ]


def test_an_object_that_left_the_templates_is_named(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.run("sync", "staging")
    result = desk.run("status", "staging")
    assert result.out.splitlines()[-1] == "Secret/shared-secrets left the templates and is still in the cluster"
    assert desk.run("status", "staging", "--output", "json").data["left"] == ["Secret/shared-secrets"]
