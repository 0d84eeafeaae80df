// The AWS SDK for JavaScript with its document client: commands, paginators, waiters, errors by their class.
'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const dynamodb = require('@aws-sdk/client-dynamodb')
const lib = require('@aws-sdk/lib-dynamodb')
const { collect, eventually, tableName } = require('./stator')

const client = new dynamodb.DynamoDBClient({})
const documents = lib.DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })
const TableName = tableName('orders')
const waiting = { client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }

test('a table is made and waited for', async () => {
  const made = await client.send(new dynamodb.CreateTableCommand({
    TableName,
    KeySchema: [{ AttributeName: 'customer', KeyType: 'HASH' }, { AttributeName: 'number', KeyType: 'RANGE' }],
    AttributeDefinitions: [
      { AttributeName: 'customer', AttributeType: 'S' },
      { AttributeName: 'number', AttributeType: 'N' },
      { AttributeName: 'state', AttributeType: 'S' },
      { AttributeName: 'amount', AttributeType: 'N' }
    ],
    LocalSecondaryIndexes: [{
      IndexName: 'by-amount',
      KeySchema: [{ AttributeName: 'customer', KeyType: 'HASH' }, { AttributeName: 'amount', KeyType: 'RANGE' }],
      Projection: { ProjectionType: 'KEYS_ONLY' }
    }],
    GlobalSecondaryIndexes: [{
      IndexName: 'by-state',
      KeySchema: [{ AttributeName: 'state', KeyType: 'HASH' }, { AttributeName: 'amount', KeyType: 'RANGE' }],
      Projection: { ProjectionType: 'ALL' }
    }],
    BillingMode: 'PAY_PER_REQUEST',
    Tags: [{ Key: 'team', Value: 'shop' }]
  }))
  assert.ok(made.TableDescription.CreationDateTime instanceof Date)
  assert.equal((await dynamodb.waitUntilTableExists(waiting, { TableName })).state, 'SUCCESS')
  const { Table } = await client.send(new dynamodb.DescribeTableCommand({ TableName }))
  assert.equal(Table.TableStatus, 'ACTIVE')
  const { Tags } = await client.send(new dynamodb.ListTagsOfResourceCommand({ ResourceArn: Table.TableArn }))
  assert.deepEqual(Tags, [{ Key: 'team', Value: 'shop' }])
  const names = (await collect(dynamodb.paginateListTables({ client, pageSize: 1 }, {}))).flatMap((page) => page.TableNames)
  assert.ok(names.includes(TableName))
})

test('all kinds of values come back as they went', async () => {
  const item = {
    customer: 'ann',
    number: 1,
    text: 'Zoë 🚲',
    empty: '',
    big: 12345678901234567890n,
    fraction: -0.125,
    bytes: Uint8Array.of(0, 255, 1),
    yes: true,
    nothing: null,
    list: [1, 'two', { three: [3] }],
    map: { nested: { deep: 'x' } },
    strings: new Set(['a', 'b']),
    numbers: new Set([1, 2]),
    binaries: new Set([Uint8Array.of(1), Uint8Array.of(2)]),
    left: undefined
  }
  await documents.send(new lib.PutCommand({ TableName, Item: item }))
  const got = await documents.send(new lib.GetCommand({ TableName, Key: { customer: 'ann', number: 1 }, ConsistentRead: true }))
  delete item.left
  assert.deepEqual(got.Item, item)
  const exact = lib.DynamoDBDocumentClient.from(new dynamodb.DynamoDBClient({}), { unmarshallOptions: { wrapNumbers: true } })
  const wrapped = await exact.send(new lib.GetCommand({ TableName, Key: { customer: 'ann', number: 1 }, ConsistentRead: true }))
  assert.equal(wrapped.Item.big.toString(), '12345678901234567890')
  const missing = await documents.send(new lib.GetCommand({ TableName, Key: { customer: 'ann', number: 99 }, ConsistentRead: true }))
  assert.equal(missing.Item, undefined)
})

test('updates return what was asked for', async () => {
  const Key = { customer: 'bob', number: 1 }
  const made = await documents.send(new lib.UpdateCommand({
    TableName,
    Key,
    UpdateExpression: 'SET #state = :open, goods = list_append(if_not_exists(goods, :none), :line) ADD amount :price',
    ExpressionAttributeNames: { '#state': 'state' },
    ExpressionAttributeValues: { ':open': 'open', ':none': [], ':line': [{ sku: 'a', n: 2 }], ':price': 20 },
    ReturnValues: 'ALL_NEW',
    ReturnConsumedCapacity: 'INDEXES'
  }))
  assert.deepEqual(made.Attributes, { ...Key, state: 'open', goods: [{ sku: 'a', n: 2 }], amount: 20 })
  assert.equal(made.ConsumedCapacity.Table.CapacityUnits, 1)
  const changed = await documents.send(new lib.UpdateCommand({
    TableName,
    Key,
    UpdateExpression: 'SET goods[0].n = goods[0].n + :one REMOVE amount',
    ExpressionAttributeValues: { ':one': 1 },
    ReturnValues: 'UPDATED_NEW'
  }))
  assert.deepEqual(changed.Attributes, { goods: [{ n: 3 }] })
  const deleted = await documents.send(new lib.DeleteCommand({ TableName, Key, ReturnValues: 'ALL_OLD' }))
  assert.equal(deleted.Attributes.goods[0].n, 3)
})

test('errors have their classes', async () => {
  const Item = { customer: 'cat', number: 1, note: 'first' }
  const put = new lib.PutCommand({
    TableName,
    Item,
    ConditionExpression: 'attribute_not_exists(customer)',
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD'
  })
  await documents.send(put)
  await assert.rejects(documents.send(put), (error) => {
    assert.ok(error instanceof dynamodb.ConditionalCheckFailedException)
    assert.equal(error.message, 'The conditional request failed')
    assert.deepEqual(error.Item, { customer: { S: 'cat' }, number: { N: '1' }, note: { S: 'first' } })
    assert.equal(error.$metadata.httpStatusCode, 400)
    assert.match(error.$metadata.requestId, /^[0-9A-Z]{52}$/)
    return true
  })
  await assert.rejects(client.send(new dynamodb.DescribeTableCommand({ TableName: 'not-there' })), dynamodb.ResourceNotFoundException)
  await assert.rejects(documents.send(new lib.GetCommand({ TableName, Key: { customer: 'cat' } })), {
    name: 'ValidationException',
    message: 'The provided key element does not match the schema'
  })
})

test('batches, queries and scans go page by page', async () => {
  const orders = Array.from({ length: 60 }, (_, number) => ({
    customer: 'dan',
    number,
    state: number % 3 === 0 ? 'open' : 'sent',
    amount: 1000 - number,
    padding: 'x'.repeat(100)
  }))
  for (let from = 0; from < orders.length; from += 25) {
    const RequestItems = { [TableName]: orders.slice(from, from + 25).map((Item) => ({ PutRequest: { Item } })) }
    const written = await documents.send(new lib.BatchWriteCommand({ RequestItems }))
    assert.deepEqual(written.UnprocessedItems, {})
  }
  const query = { TableName, ConsistentRead: true, KeyConditionExpression: 'customer = :c', ExpressionAttributeValues: { ':c': 'dan' } }
  const pages = await collect(lib.paginateQuery({ client: documents, pageSize: 7 }, { ...query }))
  assert.ok(pages.length >= 9)
  assert.deepEqual(pages.flatMap((page) => page.Items), orders)
  const backwards = await documents.send(new lib.QueryCommand({ ...query, IndexName: 'by-amount', ScanIndexForward: false, Limit: 2 }))
  assert.deepEqual(backwards.Items.map((item) => item.number), [0, 1])
  const filtered = await collect(lib.paginateScan({ client: documents }, {
    TableName,
    ConsistentRead: true,
    FilterExpression: 'customer = :c AND amount BETWEEN :low AND :high AND contains(padding, :x)',
    ProjectionExpression: '#n',
    ExpressionAttributeNames: { '#n': 'number' },
    ExpressionAttributeValues: { ':c': 'dan', ':low': 990, ':high': 995, ':x': 'xx' }
  }))
  assert.deepEqual(filtered.flatMap((page) => page.Items).map((item) => item.number).sort((a, b) => a - b), [5, 6, 7, 8, 9, 10])
  const Keys = [3, 4, 99].map((number) => ({ customer: 'dan', number }))
  const got = await documents.send(new lib.BatchGetCommand({ RequestItems: { [TableName]: { Keys, ConsistentRead: true } } }))
  assert.deepEqual(got.Responses[TableName].map((item) => item.number).sort(), [3, 4])
  const open = await eventually(
    async () => (await collect(lib.paginateQuery({ client: documents, pageSize: 6 }, {
      TableName,
      IndexName: 'by-state',
      KeyConditionExpression: '#s = :open AND amount > :low',
      ExpressionAttributeNames: { '#s': 'state' },
      ExpressionAttributeValues: { ':open': 'open', ':low': 0 }
    }))).flatMap((page) => page.Items),
    (items) => items.length === 20
  )
  assert.deepEqual(open.map((item) => item.number), orders.map((order) => order.number).filter((n) => n % 3 === 0).reverse())
})

test('transactions happen whole or not at all', async () => {
  const Put = (number) => ({ Put: { TableName, Item: { customer: 'eve', number, paid: false } } })
  await documents.send(new lib.TransactWriteCommand({ TransactItems: [Put(1), Put(2)], ClientRequestToken: 'eve-1-and-2' }))
  const pay = (number, paid) => ({
    Update: {
      TableName,
      Key: { customer: 'eve', number },
      UpdateExpression: 'SET paid = :yes',
      ConditionExpression: 'paid = :before',
      ExpressionAttributeValues: { ':yes': true, ':before': paid },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD'
    }
  })
  await assert.rejects(documents.send(new lib.TransactWriteCommand({ TransactItems: [pay(1, false), pay(2, true)] })), (error) => {
    assert.ok(error instanceof dynamodb.TransactionCanceledException)
    assert.deepEqual(error.CancellationReasons.map((reason) => reason.Code), ['None', 'ConditionalCheckFailed'])
    return true
  })
  const got = await documents.send(new lib.TransactGetCommand({
    TransactItems: [1, 2].map((number) => ({ Get: { TableName, Key: { customer: 'eve', number } } }))
  }))
  assert.deepEqual(got.Responses.map((response) => response.Item.paid), [false, false])
})

test('PartiQL', async () => {
  await documents.send(new lib.ExecuteStatementCommand({
    Statement: `INSERT INTO "${TableName}" VALUE {'customer': ?, 'number': ?, 'tags': ?}`,
    Parameters: ['fay', 1, new Set(['x', 'y'])]
  }))
  const select = { Statement: `SELECT * FROM "${TableName}" WHERE customer = ? AND "number" = ?`, Parameters: ['fay', 1], ConsistentRead: true }
  const { Items } = await documents.send(new lib.ExecuteStatementCommand(select))
  assert.deepEqual(Items, [{ customer: 'fay', number: 1, tags: new Set(['x', 'y']) }])
  const batch = await documents.send(new lib.BatchExecuteStatementCommand({ Statements: [select] }))
  assert.equal(batch.Responses[0].Item.customer, 'fay')
})

test('the table is changed and deleted', async () => {
  await client.send(new dynamodb.UpdateTableCommand({ TableName, DeletionProtectionEnabled: true }))
  await assert.rejects(client.send(new dynamodb.DeleteTableCommand({ TableName })), { name: 'ValidationException' })
  await client.send(new dynamodb.UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }))
  await client.send(new dynamodb.DeleteTableCommand({ TableName }))
  assert.equal((await dynamodb.waitUntilTableNotExists(waiting, { TableName })).state, 'SUCCESS')
})
