"""The AWS CLI, as it comes."""

import json
import os
import subprocess
import sys
from pathlib import Path

from cluster import REGION

AWS = Path(sys.executable).parent / "aws"


def aws(cluster, *arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_ACCESS_KEY_ID": cluster.access_key,
        "AWS_SECRET_ACCESS_KEY": cluster.secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_PAGER": "",
    }
    command = [str(AWS), "dynamodb", "--endpoint-url", cluster.nodes[0].endpoint, "--output", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def test_the_aws_cli_works(cluster, table_name):
    made = aws(
        cluster,
        "create-table",
        "--table-name", table_name,
        "--key-schema", "AttributeName=artist,KeyType=HASH", "AttributeName=song,KeyType=RANGE",
        "--attribute-definitions", "AttributeName=artist,AttributeType=S", "AttributeName=song,AttributeType=S",
        "--billing-mode", "PAY_PER_REQUEST",
    )  # fmt: skip
    assert made["TableDescription"]["TableName"] == table_name
    aws(cluster, "wait", "table-exists", "--table-name", table_name)
    item = {"artist": {"S": "Nina"}, "song": {"S": "Sinnerman"}, "seconds": {"N": "622"}}
    aws(cluster, "put-item", "--table-name", table_name, "--item", json.dumps(item))
    found = aws(
        cluster,
        "query",
        "--table-name", table_name,
        "--consistent-read",
        "--key-condition-expression", "artist = :a",
        "--expression-attribute-values", json.dumps({":a": {"S": "Nina"}}),
    )  # fmt: skip
    assert found["Items"] == [item]
    assert aws(cluster, "scan", "--table-name", table_name, "--consistent-read")["Count"] == 1
    aws(cluster, "delete-table", "--table-name", table_name)
