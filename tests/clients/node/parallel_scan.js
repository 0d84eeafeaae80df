// @shelf/dynamodb-parallel-scan: a table read whole by many segments at once, as a list and as a stream.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { CreateTableCommand, DynamoDBClient, waitUntilTableExists } = require('@aws-sdk/client-dynamodb')
const { BatchWriteCommand, DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb')
const { parallelScan, parallelScanAsStream } = require('@shelf/dynamodb-parallel-scan')
const { collect, tableName } = require('./stator')

const client = new DynamoDBClient({})
const TableName = tableName('files')
const FILES = 500

before(async () => {
  await client.send(new CreateTableCommand({
    TableName,
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'N' }],
    BillingMode: 'PAY_PER_REQUEST'
  }))
  await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName })
  const documents = DynamoDBDocumentClient.from(client)
  for (let from = 0; from < FILES; from += 25) {
    const puts = Array.from({ length: 25 }, (_, n) => ({ PutRequest: { Item: { id: from + n, size: n % 5, text: 'x'.repeat(5000) } } }))
    await documents.send(new BatchWriteCommand({ RequestItems: { [TableName]: puts } }))
  }
})

const ids = (items) => items.map((item) => item.id).sort((a, b) => a - b)
const numbers = (isSo) => Array.from({ length: FILES }, (_, n) => n).filter(isSo)

test('as a list', async () => {
  assert.deepEqual(ids(await parallelScan({ TableName, ConsistentRead: true }, { concurrency: 7 })), numbers(() => true))
  const large = await parallelScan({
    TableName,
    ConsistentRead: true,
    FilterExpression: '#size >= :size',
    ProjectionExpression: 'id',
    ExpressionAttributeNames: { '#size': 'size' },
    ExpressionAttributeValues: { ':size': 3 }
  }, { concurrency: 50 })
  assert.deepEqual(ids(large), numbers((n) => n % 5 >= 3))
  assert.deepEqual(Object.keys(large[0]), ['id'])
})

test('as a stream', async () => {
  const stream = await parallelScanAsStream({ TableName, ConsistentRead: true, Limit: 20 }, { concurrency: 3, chunkSize: 50, highWaterMark: 2 })
  const chunks = await collect(stream)
  assert.deepEqual(ids(chunks.flat()), numbers(() => true))
})
