"""Starts the controller of External Secrets, waits until it has made its Secrets, and stops it.

    BENCH_TOKEN=… python external_secrets_controller.py SERVER CA_FILE NAMESPACE COUNT CONTROLLER [FLAG]...

Only the standard library: it runs in the environment that bridge is installed in.
"""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request

LIMIT = 600.0  # seconds
PAUSE = 0.1  # seconds between two questions; each is answered with one object

server, ca_file, namespace, count, *command = sys.argv[1:]
METADATA = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def made() -> int:
    """Return how many Secrets the namespace has but the store's token; the answer is one object and a number."""
    url = f"{server}/api/v1/namespaces/{namespace}/secrets?limit=1"
    headers = {"Authorization": f"Bearer {os.environ['BENCH_TOKEN']}", "Accept": METADATA}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=context) as answer:
        found = json.load(answer)
    return len(found["items"]) + found["metadata"].get("remainingItemCount", 0) - 1


context = ssl.create_default_context(cafile=ca_file)
flags = ["--metrics-addr=127.0.0.1:0", "--loglevel=error"]
flags += [f"--enable-{name}-reconciler=false" for name in ("cluster-store", "cluster-external-secret")]
flags += [f"--enable-{name}-reconciler=false" for name in ("cluster-push-secret", "push-secret")]
environ = {name: value for name, value in os.environ.items() if name != "BENCH_TOKEN"}
controller = subprocess.Popen([*command, *flags], env=environ, stdout=subprocess.DEVNULL)
try:
    deadline = time.monotonic() + LIMIT
    while made() < int(count):
        if controller.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the controller did not make {count} Secrets")
        time.sleep(PAUSE)
finally:
    controller.terminate()
    controller.wait()
