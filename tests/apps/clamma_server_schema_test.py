#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""clamma_server_schema_test.py BIN_DIR SOURCE_DIR [EXAMPLES]: schemathesis makes requests from docs/openapi.yaml,
valid and wrong ones, and holds clamma-server's answers against it: no 5xx, no status, type, header or body
that the file does not describe, and no wrong request that is answered. Streams are left out, and answers are
short. The seed is fixed. Exit code: 0 all checks hold, 1 one does not, 77 no model."""
import os
import re
import subprocess
import sys
import tempfile

import yaml
from clients_harness import PROGRAM, SOURCE, Checks, Server, stories

checks = Checks()
EXAMPLES = sys.argv[3] if len(sys.argv) > 3 else "20"
MOST_TOKENS = 4  # whatever a request says
# positive_data_acceptance: the file cannot say all, such as which tokens there are.
LEFT_OUT = "positive_data_acceptance"


def without_streams(schema):
    schema["components"]["schemas"]["Sampling"]["properties"]["stream"] = {"enum": [False, None]}
    return schema


def undescribed(schema):
    """The paths of docs/server.md's table that the file does not have."""
    with open(os.path.join(SOURCE, "docs", "server.md"), encoding="utf-8") as file:
        table = re.findall(r"^\| `(?:GET|POST) (.*?)` +\|", file.read(), re.M) or []
    rows = [path.strip("`, ").replace("NAME", "{id}") for row in table for path in row.split("`, `")]
    return [path for path in rows if path != "/" and path not in schema["paths"]]


def main():
    with open(os.path.join(SOURCE, "docs", "openapi.yaml"), encoding="utf-8") as file:
        schema = yaml.safe_load(file)
    checks.same("paths that are not described", undescribed(schema), [])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "openapi.yaml")
        with open(path, "w", encoding="utf-8") as file:
            yaml.safe_dump(without_streams(schema), file)
        with Server(PROGRAM, "--max-tokens", MOST_TOKENS, "--log", "off", stories(folder)) as server:
            command = [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run", path, "--url", server.url,
                       "--seed", "27", "--max-examples", EXAMPLES, "--exclude-checks", LEFT_OUT, "--phases",
                       "examples,coverage,fuzzing", "--continue-on-failure", "--request-timeout", "100",
                       "--warnings", "off", "--suppress-health-check", "all", "--no-color"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            print(done.stdout, done.stderr)
            checks.same("schemathesis finds nothing", done.returncode, 0)
            checks.holds("the server is there", server.ask("/healthz").status == 200)
    checks.finish()


main()
