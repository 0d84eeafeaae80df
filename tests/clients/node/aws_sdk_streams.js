// The AWS SDK for JavaScript's client of streams: a table's changes, read shard by shard, resumed, followed, and to their end.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const dynamodb = require('@aws-sdk/client-dynamodb')
const streams = require('@aws-sdk/client-dynamodb-streams')
const lib = require('@aws-sdk/lib-dynamodb')
const { unmarshall } = require('@aws-sdk/util-dynamodb')
const { eventually, tableName } = require('./stator')

const client = new dynamodb.DynamoDBClient({})
const documents = lib.DynamoDBDocumentClient.from(client)
const reader = new streams.DynamoDBStreamsClient({})
const TableName = tableName('orders')
const ORDERS = 40
let StreamArn

before(async () => {
  const { TableDescription } = await client.send(new dynamodb.CreateTableCommand({
    TableName,
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'N' }],
    BillingMode: 'PAY_PER_REQUEST',
    StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' }
  }))
  StreamArn = TableDescription.LatestStreamArn
  await dynamodb.waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName })
  for (let id = 0; id < ORDERS; id++) {
    await documents.send(new lib.PutCommand({ TableName, Item: { id, state: 'open', goods: new Set(['a', 'b']) } }))
    await documents.send(new lib.UpdateCommand({
      TableName, Key: { id }, UpdateExpression: 'SET #s = :s', ExpressionAttributeNames: { '#s': 'state' }, ExpressionAttributeValues: { ':s': 'sent' }
    }))
    if (id % 4 === 0) await documents.send(new lib.DeleteCommand({ TableName, Key: { id } }))
  }
})

const describe = async () => (await reader.send(new streams.DescribeStreamCommand({ StreamArn }))).StreamDescription
const iterate = async (shard, place) =>
  (await reader.send(new streams.GetShardIteratorCommand({ StreamArn, ShardId: shard.ShardId, ...place }))).ShardIterator

/** Reads on from an iterator until there is nothing more for now; the iterator that goes on is undefined at a shard's end. */
const read = async (iterator, Limit) => {
  const records = []
  for (;;) {
    const page = await reader.send(new streams.GetRecordsCommand({ ShardIterator: iterator, Limit }))
    records.push(...page.Records)
    iterator = page.NextShardIterator
    if (!iterator || page.Records.length === 0) return { records, iterator }
  }
}

const readAll = async () => {
  const { Shards } = await describe()
  return Promise.all(Shards.map(async (shard) => ({ shard, ...await read(await iterate(shard, { ShardIteratorType: 'TRIM_HORIZON' }), 7) })))
}

test('all changes are read, in their order', async () => {
  const { Streams } = await reader.send(new streams.ListStreamsCommand({ TableName }))
  assert.deepEqual(Streams.map((stream) => stream.StreamArn), [StreamArn])
  const description = await describe()
  assert.deepEqual([description.StreamStatus, description.StreamViewType, description.TableName], ['ENABLED', 'NEW_AND_OLD_IMAGES', TableName])
  assert.ok(description.CreationRequestDateTime instanceof Date)
  const changes = new Map()
  for (const { records } of await readAll()) {
    const places = records.map((record) => BigInt(record.dynamodb.SequenceNumber))
    assert.ok(places.every((place, n) => n === 0 || place > places[n - 1]))
    for (const { eventName, eventSource, awsRegion, dynamodb: change } of records) {
      assert.deepEqual([eventSource, awsRegion, change.StreamViewType], ['aws:dynamodb', 'us-east-1', 'NEW_AND_OLD_IMAGES'])
      assert.ok(change.ApproximateCreationDateTime instanceof Date && change.SizeBytes > 0)
      const { id } = unmarshall(change.Keys)
      const image = (attributes) => attributes && unmarshall(attributes).state
      changes.set(id, [...changes.get(id) ?? [], [eventName, image(change.OldImage), image(change.NewImage)]])
    }
  }
  assert.equal(changes.size, ORDERS)
  for (const [id, seen] of changes) {
    const removed = id % 4 === 0 ? [['REMOVE', 'sent', undefined]] : []
    assert.deepEqual(seen, [['INSERT', undefined, 'open'], ['MODIFY', 'open', 'sent'], ...removed])
  }
})

test('a reader resumes where it was, and one that comes late sees what comes later', async () => {
  const [{ shard, records }] = (await readAll()).filter(({ records }) => records.length > 2)
  const { SequenceNumber } = records[1].dynamodb
  for (const [ShardIteratorType, first] of [['AT_SEQUENCE_NUMBER', 1], ['AFTER_SEQUENCE_NUMBER', 2]]) {
    const again = await read(await iterate(shard, { ShardIteratorType, SequenceNumber }))
    assert.deepEqual(again.records, records.slice(first))
  }
  const { Shards } = await describe()
  const followers = await Promise.all(Shards.map((shard) => iterate(shard, { ShardIteratorType: 'LATEST' })))
  await documents.send(new lib.PutCommand({ TableName, Item: { id: 1, state: 'late' } }))
  const seen = []
  await eventually(async () => {
    for (const n of followers.keys()) {
      const { records, iterator } = await read(followers[n])
      followers[n] = iterator
      seen.push(...records)
    }
    return seen
  }, (records) => records.length > 0)
  assert.deepEqual(seen.map((record) => unmarshall(record.dynamodb.NewImage)), [{ id: 1, state: 'late' }])
})

test('a disabled stream is read to its end', async () => {
  await client.send(new dynamodb.UpdateTableCommand({ TableName, StreamSpecification: { StreamEnabled: false } }))
  await eventually(describe, ({ StreamStatus, Shards }) => StreamStatus === 'DISABLED' && Shards.every((shard) => shard.SequenceNumberRange.EndingSequenceNumber))
  const all = await readAll()
  assert.equal(all.flatMap(({ records }) => records).length, ORDERS * 2 + ORDERS / 4 + 1)
  assert.ok(all.every(({ iterator }) => iterator === undefined))
  await assert.rejects(reader.send(new streams.DescribeStreamCommand({ StreamArn: StreamArn.replace('orders', 'others') })), {
    name: 'ResourceNotFoundException'
  })
})
