"""The function: adds what each new order is worth to its customer's total.

A batch may come twice, so each order is counted under its own id, in one transaction with the total.
"""

import os

import boto3

database = boto3.client("dynamodb")
TOTALS = os.environ["TOTALS"]


def handler(event, context):
    failures = []
    for record in event["Records"]:
        try:
            if record["eventName"] == "INSERT":
                count(record["dynamodb"]["NewImage"])
        except Exception as error:
            # From here on the batch is tried again.
            print(f"order not counted: {error}")
            failures.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
            break
    return {"batchItemFailures": failures}


def count(order):
    counted = {"customer": {"S": "counted " + order["id"]["S"]}}
    try:
        database.transact_write_items(TransactItems=[
            {"Put": {"TableName": TOTALS, "Item": counted, "ConditionExpression": "attribute_not_exists(customer)"}},
            {"Update": {
                "TableName": TOTALS, "Key": {"customer": order["customer"]},
                "UpdateExpression": "ADD spent :amount", "ExpressionAttributeValues": {":amount": order["amount"]},
            }},
        ])
    except database.exceptions.TransactionCanceledException as cancelled:
        reasons = [reason["Code"] for reason in cancelled.response["CancellationReasons"]]
        if reasons[0] != "ConditionalCheckFailed":
            raise
