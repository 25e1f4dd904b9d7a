"""Writes the CronJob of an environment: one run of `bridge sync` at a time, and as few rights as a pod can have."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from bridge.config.yaml_writer import inline
from bridge.draft.packing import MOUNT

USER: Final = 65532
"""The image's user, who owns nothing; the same as in the Dockerfile."""
IMAGE: Final = "bridge"
"""The image's name in the CronJob; kustomization.yaml says which one that is."""


class Names(NamedTuple):
    """What the objects are called. `object` is the CronJob, ServiceAccount, Role and NetworkPolicy."""

    environment: str
    namespace: str
    id: str
    object: str
    config_map: str

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of every object, and of the pods."""
        return {"app.kubernetes.io/name": "bridge", "app.kubernetes.io/instance": self.id}


def cronjob(names: Names, items: Mapping[str, str], folder: PurePosixPath) -> str:
    """Return the manifest; `items` are the ConfigMap's keys by the places of their files below the mount."""
    labels = inline(dict(names.labels))
    files = "".join(f"                {inline({'key': key, 'path': place})},\n" for place, key in items.items())
    return f"""\
# Runs `bridge sync {names.environment}` in the cluster. Stores and options come from components/.
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {names.object}
  labels: {labels}
spec:
  schedule: "*/10 * * * *"
  concurrencyPolicy: Forbid          # of its own kind; the Lease keeps operators and pipelines apart from it
  startingDeadlineSeconds: 300
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    metadata:
      labels: {labels}
    spec:
      backoffLimit: 2                # after status 5 and 75, which the next run repairs
      activeDeadlineSeconds: 540     # three runs of at most 120 s, and the pauses between them
      ttlSecondsAfterFinished: 86400
      podFailurePolicy:
        rules:
          - action: FailJob          # refused, wrong files, a bug: the same run would end the same way
            onExitCodes: {{containerName: bridge, operator: In, values: [1, 2, 3]}}
          - action: Ignore           # the node went, not the run
            onPodConditions: [{{type: DisruptionTarget, status: "True"}}]
      template:
        metadata:
          labels: {labels}
        spec:
          serviceAccountName: {names.object}
          automountServiceAccountToken: true    # for the API server; the ServiceAccount itself says false
          enableServiceLinks: false
          restartPolicy: Never
          securityContext:
            runAsNonRoot: true
            runAsUser: {USER}
            runAsGroup: {USER}
            seccompProfile: {{type: RuntimeDefault}}
          containers:
            - name: bridge
              image: {IMAGE}          # kustomization.yaml says which
              args: {inline(["sync", names.environment, "--in-cluster", "--config", str(folder)])}
              resources:
                requests: {{cpu: 50m, memory: 64Mi}}
                limits: {{memory: 256Mi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: config, mountPath: {MOUNT}, readOnly: true}}
          volumes:
            - name: config
              configMap:
                name: {names.config_map}
                items: [            # the folders as they are beside the environment's file
{files}\
                ]
"""
