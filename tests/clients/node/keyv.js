// Keyv with its DynamoDB store: a cache in a table that the store makes, with time to live.
'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const { DescribeTimeToLiveCommand, DynamoDBClient } = require('@aws-sdk/client-dynamodb')
const { Keyv, KeyvDynamo } = require('@keyv/dynamo')
const { eventually, tableName } = require('./stator')

const name = tableName('cache')

test('values are set, found, deleted and cleared', async () => {
  const errors = []
  const store = new KeyvDynamo({ tableName: name })
  const cache = new Keyv(store, { namespace: 'test' })
  for (const each of [store, cache]) each.on('error', (error) => errors.push(error))
  const read = (key, isSo) => eventually(() => cache.get(key), isSo)
  assert.equal(await cache.set('a', { deep: ['x', 1, null] }, 60000), true)
  assert.deepEqual(await read('a', (value) => value), { deep: ['x', 1, null] })
  assert.equal(await cache.get('none'), undefined)
  await cache.set('a', 'other')
  await read('a', (value) => value === 'other')
  await cache.set('b', 2)
  await eventually(() => cache.get(['a', 'b', 'none']), (values) => values[0] === 'other' && values[1] === 2 && values[2] === undefined)
  assert.equal(await cache.delete('a'), true)
  await read('a', (value) => value === undefined)
  assert.equal(await cache.delete('a'), false)
  // It deletes what it reads, without ConsistentRead.
  await eventually(async () => { await cache.delete(['b', 'none']); return cache.get('b') }, (value) => value === undefined)
  await cache.set('c', 3)
  await read('c', (value) => value === 3)
  await eventually(async () => { await cache.clear(); return cache.get('c') }, (value) => value === undefined)
  assert.deepEqual(errors, [])
  const described = () => new DynamoDBClient({}).send(new DescribeTimeToLiveCommand({ TableName: name }))
  const { TimeToLiveDescription } = await eventually(described, (told) => told.TimeToLiveDescription.TimeToLiveStatus === 'ENABLED')
  assert.equal(TimeToLiveDescription.AttributeName, 'expiresAt')
})
