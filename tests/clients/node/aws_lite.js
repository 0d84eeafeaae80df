// aws-lite: a client that is not made from AWS's models, with a signer of its own (aws4): marshalling, paging, errors.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { collect, eventually, tableName } = require('./stator')

const TableName = tableName('notes')
let dynamodb

before(async () => {
  const awsLite = require('@aws-lite/client')
  const aws = await awsLite({ endpoint: process.env.AWS_ENDPOINT_URL_DYNAMODB, plugins: [Promise.resolve(require('@aws-lite/dynamodb'))] })
  dynamodb = aws.DynamoDB
  const made = await dynamodb.CreateTable({
    TableName,
    KeySchema: [{ AttributeName: 'book', KeyType: 'HASH' }, { AttributeName: 'page', KeyType: 'RANGE' }],
    AttributeDefinitions: [
      { AttributeName: 'book', AttributeType: 'S' },
      { AttributeName: 'page', AttributeType: 'N' },
      { AttributeName: 'topic', AttributeType: 'S' }
    ],
    GlobalSecondaryIndexes: [{
      IndexName: 'by-topic',
      KeySchema: [{ AttributeName: 'topic', KeyType: 'HASH' }],
      Projection: { ProjectionType: 'INCLUDE', NonKeyAttributes: ['text'] }
    }],
    BillingMode: 'PAY_PER_REQUEST'
  })
  assert.equal(made.TableDescription.TableName, TableName)
  await eventually(() => dynamodb.DescribeTable({ TableName }), ({ Table }) => Table.TableStatus === 'ACTIVE')
})

test('items are put, changed and deleted', async () => {
  const Item = { book: 'a', page: 1, text: 'Zoë', labels: new Set(['x', 'y']), deep: { list: [1, null, true, { n: -0.5 }] } }
  const Key = { book: 'a', page: 1 }
  await dynamodb.PutItem({ TableName, Item, ConditionExpression: 'attribute_not_exists(book)' })
  await assert.rejects(dynamodb.PutItem({ TableName, Item, ConditionExpression: 'attribute_not_exists(book)' }), (error) => {
    assert.deepEqual([error.code, error.statusCode], ['ConditionalCheckFailedException', 400])
    assert.match(error.message, /The conditional request failed/)
    return true
  })
  assert.deepEqual((await dynamodb.GetItem({ TableName, Key, ConsistentRead: true })).Item, Item)
  const { Attributes } = await dynamodb.UpdateItem({
    TableName,
    Key,
    UpdateExpression: 'SET deep.#l[1] = :v ADD labels :z REMOVE #t',
    ExpressionAttributeNames: { '#l': 'list', '#t': 'text' },
    ExpressionAttributeValues: { ':v': 2, ':z': new Set(['z']) },
    ReturnValues: 'ALL_NEW'
  })
  assert.deepEqual(Attributes, { ...Key, labels: new Set(['x', 'y', 'z']), deep: { list: [1, 2, true, { n: -0.5 }] } })
  assert.deepEqual((await dynamodb.DeleteItem({ TableName, Key, ReturnValues: 'ALL_OLD' })).Attributes, Attributes)
  await assert.rejects(dynamodb.DescribeTable({ TableName: 'not-there' }), { code: 'ResourceNotFoundException' })
})

test('batches and pages', async () => {
  for (let from = 0; from < 75; from += 25) {
    const puts = Array.from({ length: 25 }, (_, n) => ({ PutRequest: { Item: { book: 'b', page: from + n, topic: n % 5 ? 'sea' : 'land', text: 't' } } }))
    assert.deepEqual((await dynamodb.BatchWriteItem({ RequestItems: { [TableName]: puts } })).UnprocessedItems, {})
  }
  const query = { TableName, KeyConditionExpression: 'book = :b', ExpressionAttributeValues: { ':b': 'b' }, ConsistentRead: true, Limit: 20 }
  assert.deepEqual((await dynamodb.Query({ ...query, paginate: true })).Items.map((item) => item.page), Array.from({ length: 75 }, (_, n) => n))
  const pages = await collect(await dynamodb.Scan({ TableName, ConsistentRead: true, Limit: 10, paginate: 'iterator' }))
  assert.equal(pages.flatMap((page) => page.Items).length, 75)
  const topic = { TableName, IndexName: 'by-topic', KeyConditionExpression: 'topic = :t', ExpressionAttributeValues: { ':t': 'land' } }
  await eventually(() => dynamodb.Query(topic), ({ Items }) => Items.length === 15 && Items.every((item) => item.text === 't'))
})

test('transactions', async () => {
  const put = (page) => ({ Put: { TableName, Item: { book: 'c', page }, ConditionExpression: 'attribute_not_exists(book)' } })
  await dynamodb.TransactWriteItems({ TransactItems: [put(1), put(2)] })
  await assert.rejects(dynamodb.TransactWriteItems({ TransactItems: [put(3), put(2)] }), { code: 'TransactionCanceledException' })
  const got = await dynamodb.TransactGetItems({ TransactItems: [1, 2].map((page) => ({ Get: { TableName, Key: { book: 'c', page } } })) })
  assert.deepEqual(got.Responses.map(({ Item }) => Item.page), [1, 2])
})
