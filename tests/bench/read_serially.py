"""Sends the requests of read_scaleway.py one after the other over one connection, and prints nothing.

python read_serially.py COUNT
"""

import http.client
import json
import os
import sys
from urllib.parse import urlencode, urlsplit

connection = http.client.HTTPConnection(urlsplit(os.environ["SCW_API_URL"]).netloc)
root = f"/secret-manager/v1beta1/regions/{os.environ['SCW_DEFAULT_REGION']}/secrets-by-path"
for number in range(int(sys.argv[1])):
    query = {
        "secret_path": "/bench",
        "secret_name": f"{number:03}",
        "project_id": os.environ["SCW_DEFAULT_PROJECT_ID"],
    }
    headers = {"X-Auth-Token": os.environ["SCW_SECRET_KEY"]}
    connection.request("GET", f"{root}/versions/latest_enabled/access?{urlencode(query)}", headers=headers)
    answer = connection.getresponse()
    content = json.load(answer)
    if answer.status != 200 or "data" not in content:
        sys.exit(f"status {answer.status}")
connection.close()
