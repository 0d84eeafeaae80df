"""Notes what it is called with: to each item's list in the table SEEN, in the order in which it comes. Fails now and then.

It needs nothing but Python: what is under test may have no AWS SDK.
"""

import datetime
import hashlib
import hmac
import json
import os
import random
import urllib.request


def handle(event, context):
    if random.random() < 0.02:
        raise ValueError("this call fails")
    for record in event["Records"]:
        if random.random() < 0.01:
            return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]}]}
        image = record["dynamodb"].get("NewImage", {})
        ask("UpdateItem", {
            "TableName": os.environ["SEEN"], "Key": {"pk": image["pk"]},
            "UpdateExpression": "SET seen = list_append(if_not_exists(seen, :none), :one)",
            "ExpressionAttributeValues": {":none": {"L": []}, ":one": {"L": [image["v"]]}}})
    return {"batchItemFailures": []}


def ask(operation, body):
    """One signed request (AWS General Reference, "Create a signed AWS API request")."""
    endpoint, body = os.environ["AWS_ENDPOINT_URL"], json.dumps(body).encode()
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "host": endpoint.split("//")[1].rstrip("/"), "x-amz-date": now,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": f"DynamoDB_20120810.{operation}"}
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    canonical = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/dynamodb/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in [*scope.split("/"), text]:
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={key.hex()}")
    headers["content-type"] = "application/x-amz-json-1.0"
    with urllib.request.urlopen(urllib.request.Request(endpoint, body, headers), timeout=5) as reply:
        return json.load(reply)
