// Nova ODM, the DynamoDB data mapper of @aws on version 3 of the SDK: classes with a schema, tables made from it, versions
// checked on each write, batches, queries over indexes, parallel scans, composed expressions.
'use strict'

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { DynamoDBClient } = require('@aws-sdk/client-dynamodb')
const expressions = require('@nova-odm/expressions')
const { DataMapper, DynamoDbSchema, DynamoDbTable } = require('@nova-odm/mapper')
const { collect, eventually, tableName } = require('./stator')

class Post {
  static of (members) {
    return Object.assign(new Post(), members)
  }
}

Object.defineProperties(Post.prototype, {
  [DynamoDbTable]: { value: tableName('posts') },
  [DynamoDbSchema]: {
    value: {
      author: { type: 'String', keyType: 'HASH', indexKeyConfigurations: { 'by-score': 'HASH' } },
      id: { type: 'Number', keyType: 'RANGE', attributeName: 'n' },
      topic: { type: 'String', indexKeyConfigurations: { 'by-topic': 'HASH' } },
      score: { type: 'Number', indexKeyConfigurations: { 'by-topic': 'RANGE', 'by-score': 'RANGE' } },
      created: { type: 'Date' },
      labels: { type: 'Set', memberType: 'String' },
      pair: { type: 'Tuple', members: [{ type: 'Boolean' }, { type: 'String' }] },
      body: { type: 'Document', members: { title: { type: 'String' }, words: { type: 'Number' } } },
      version: { type: 'Number', versionAttribute: true }
    }
  }
})

const mapper = new DataMapper({ client: new DynamoDBClient({}) })
const strong = { readConsistency: 'strong' }

before(() => mapper.ensureTableExists(Post, {
  readCapacityUnits: 5,
  writeCapacityUnits: 5,
  indexOptions: {
    'by-topic': { type: 'global', projection: 'all', readCapacityUnits: 5, writeCapacityUnits: 5 },
    'by-score': { type: 'local', projection: 'keys' }
  }
}))

after(() => mapper.ensureTableNotExists(Post))

test('a post is put, read, updated and deleted, each by its version', async () => {
  const post = Post.of({
    author: 'ann', id: 1, topic: 'sea', score: 5, created: new Date(1700000000000), labels: new Set(['a', 'b']), pair: [true, 'x'], body: { title: 'hi', words: 2 }
  })
  const put = await mapper.put(post)
  assert.equal(put.version, 0)
  await assert.rejects(mapper.put(post), { name: 'ConditionalCheckFailedException' })
  const got = await mapper.get(Post.of({ author: 'ann', id: 1 }), strong)
  assert.deepEqual(got, put)
  const updated = await mapper.update(Post.of({ author: 'ann', id: 1, score: 6, version: 0 }), { onMissing: 'skip' })
  assert.deepEqual([updated.version, updated.score, updated.topic], [1, 6, 'sea'])
  await assert.rejects(mapper.update(Post.of({ author: 'ann', id: 1, score: 7, version: 0 }), { onMissing: 'skip' }), {
    name: 'ConditionalCheckFailedException'
  })
  const expression = new expressions.UpdateExpression()
  expression.set('score', new expressions.MathematicalExpression(new expressions.AttributePath('score'), '+', 10))
  expression.remove('pair')
  const custom = await mapper.executeUpdateExpression(expression, { author: 'ann', id: 1 }, Post, {
    condition: { type: 'And', conditions: [{ ...expressions.greaterThan(5), subject: 'score' }, { ...expressions.attributeExists(), subject: 'body.title' }] }
  })
  assert.deepEqual([custom.score, custom.pair], [16, undefined])
  await mapper.delete(Post.of({ author: 'ann', id: 1, version: 1 }))
  await assert.rejects(mapper.get(Post.of({ author: 'ann', id: 1 }), strong), { name: 'ItemNotFoundException' })
})

test('batches, queries and parallel scans', async () => {
  const posts = Array.from({ length: 60 }, (_, id) => Post.of({ author: 'bob', id, topic: id % 2 ? 'sea' : 'land', score: 100 - id }))
  assert.equal((await collect(mapper.batchPut(posts))).length, 60)
  const got = await collect(mapper.batchGet([Post.of({ author: 'bob', id: 7 }), Post.of({ author: 'bob', id: 99 })], strong))
  assert.deepEqual(got.map((post) => post.score), [93])
  const some = await collect(mapper.query(Post, { author: 'bob', id: expressions.between(10, 19) }, {
    ...strong, pageSize: 3, scanIndexForward: false, filter: { ...expressions.inList(85, 86, 87, 1), subject: 'score' }, projection: ['id', 'score']
  }))
  assert.deepEqual(some.map((post) => [post.id, post.score]), [[15, 85], [14, 86], [13, 87]])
  const lowest = await collect(mapper.query(Post, { author: 'bob' }, { ...strong, indexName: 'by-score', limit: 3 }))
  assert.deepEqual(lowest.map((post) => post.id), [59, 58, 57])
  const sea = await eventually(
    () => collect(mapper.query(Post, { topic: 'sea', score: expressions.lessThan(50) }, { indexName: 'by-topic', pageSize: 2 })),
    (found) => found.length === 5
  )
  assert.deepEqual(sea.map((post) => post.id), [59, 57, 55, 53, 51])
  const scanned = await collect(mapper.parallelScan(Post, 4, { ...strong, pageSize: 5 }))
  assert.deepEqual(scanned.map((post) => post.id).sort((a, b) => a - b), posts.map((post) => post.id))
  await collect(mapper.batchDelete(posts.slice(10).map(({ author, id }) => Post.of({ author, id }))))
  assert.equal((await collect(mapper.scan(Post, strong))).length, 10)
})
