// dynamodb-streams-readable: a shard as a readable stream of Node, with checkpoints from which another reader goes on.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const dynamodb = require('@aws-sdk/client-dynamodb')
const { DynamoDBStreams } = require('@aws-sdk/client-dynamodb-streams')
const readable = require('dynamodb-streams-readable')
const { tableName } = require('./stator')

const client = new dynamodb.DynamoDB({})
const reader = new DynamoDBStreams({})
const TableName = tableName('events')
const EVENTS = 60
let StreamArn

before(async () => {
  const { TableDescription } = await client.createTable({
    TableName,
    KeySchema: [{ AttributeName: 'source', KeyType: 'HASH' }, { AttributeName: 'n', KeyType: 'RANGE' }],
    AttributeDefinitions: [{ AttributeName: 'source', AttributeType: 'S' }, { AttributeName: 'n', AttributeType: 'N' }],
    ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 },
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'KEYS_ONLY' }
  })
  StreamArn = TableDescription.LatestStreamArn
  await dynamodb.waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName })
  // One source, so that all are in one shard.
  for (let n = 0; n < EVENTS; n++) await client.putItem({ TableName, Item: { source: { S: 'one' }, n: { N: String(n) } } })
})

/** Reads `count` records of the shard that has any. */
const take = async (count, options) => {
  const { StreamDescription } = await reader.describeStream({ StreamArn })
  const read = []
  const checkpoints = []
  await Promise.race(StreamDescription.Shards.map((shard) => new Promise((resolve, reject) => {
    const stream = readable(reader, StreamArn, { shardId: shard.ShardId, limit: 8, readInterval: 10, ...options })
    stream.on('checkpoint', (place) => checkpoints.push(place))
    stream.on('error', reject)
    stream.on('data', (records) => {
      read.push(...records)
      if (read.length >= count) {
        stream.close()
        resolve()
      }
    })
  })))
  return { numbers: read.map((record) => Number(record.dynamodb.Keys.n.N)), checkpoints, read }
}

const from = (first) => Array.from({ length: EVENTS - first }, (_, n) => first + n)

test('a shard is read from its beginning', async () => {
  const { numbers, checkpoints, read } = await take(EVENTS)
  assert.deepEqual(numbers, from(0))
  assert.ok(checkpoints.length >= EVENTS / 8)
  assert.equal(read[0].dynamodb.NewImage, undefined)
})

test('another reader goes on from a checkpoint', async () => {
  const { checkpoints } = await take(EVENTS)
  const { numbers } = await take(EVENTS - 16, { startAfter: checkpoints[1] })
  assert.deepEqual(numbers, from(16))
})
