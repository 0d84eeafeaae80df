// Dynamoose: a model that makes its own table and changes it, documents, queries, scans, batches, transactions.
'use strict'

const assert = require('node:assert/strict')
const { test } = require('node:test')
const dynamoose = require('dynamoose')
const { eventually, tableName } = require('./stator')

const name = tableName('cats')
const waitForActive = { enabled: true, check: { timeout: 20000, frequency: 20 } }

const schema = new dynamoose.Schema({
  owner: { type: String, hashKey: true },
  name: { type: String, rangeKey: true },
  breed: { type: String, index: { type: 'global', name: 'by-breed', rangeKey: 'age' } },
  age: { type: Number, default: 1 },
  born: Date,
  toys: { type: Set, schema: [String] },
  vaccinations: { type: Array, schema: [{ type: Object, schema: { against: String, year: Number } }] }
}, { timestamps: true })

const Cat = dynamoose.model('Cat', schema)
const table = new dynamoose.Table(name, [Cat], { waitForActive, tags: { team: 'pets' }, throughput: 'ON_DEMAND' })

test('documents are created once, saved, updated and deleted', async () => {
  const tom = await Cat.create({
    owner: 'ann', name: 'tom', breed: 'tabby', age: 3, born: new Date(1700000000000), toys: new Set(['mouse', 'ball']), vaccinations: [{ against: 'flu', year: 2025 }]
  })
  await assert.rejects(Cat.create({ owner: 'ann', name: 'tom' }), { name: 'ConditionalCheckFailedException' })
  tom.age = 4
  await tom.save()
  const got = await Cat.get({ owner: 'ann', name: 'tom' }, { consistent: true })
  assert.deepEqual([got.age, got.born.getTime(), [...got.toys].sort(), got.vaccinations[0].year], [4, 1700000000000, ['ball', 'mouse'], 2025])
  assert.ok(got.createdAt instanceof Date)
  const updated = await Cat.update({ owner: 'ann', name: 'tom' }, {
    $ADD: { age: 1, toys: new Set(['string']) },
    $REMOVE: ['born'],
    $SET: { breed: 'siamese' }
  }, { condition: new dynamoose.Condition().where('age').ge(4) })
  assert.deepEqual([updated.age, updated.breed, updated.born, updated.toys.size], [5, 'siamese', undefined, 3])
  await assert.rejects(
    Cat.update({ owner: 'ann', name: 'tom' }, { age: 0 }, { condition: new dynamoose.Condition().where('age').gt(100) }),
    { name: 'ConditionalCheckFailedException' }
  )
  await Cat.delete({ owner: 'ann', name: 'tom' })
  assert.equal(await Cat.get({ owner: 'ann', name: 'tom' }, { consistent: true }), undefined)
})

test('batches, queries and scans', async () => {
  const cats = Array.from({ length: 30 }, (_, n) => ({ owner: 'bob', name: `c${String(n).padStart(2, '0')}`, breed: n % 2 ? 'manx' : 'tabby', age: n }))
  for (let from = 0; from < cats.length; from += 25) {
    assert.deepEqual((await Cat.batchPut(cats.slice(from, from + 25))).unprocessedItems, [])
  }
  const first = await Cat.query('owner').eq('bob').where('name').beginsWith('c').consistent().limit(12).exec()
  assert.equal(first.length, 12)
  const rest = await Cat.query('owner').eq('bob').consistent().startAt(first.lastKey).all().exec()
  assert.deepEqual([...first, ...rest].map((cat) => cat.name), cats.map((cat) => cat.name))
  const old = await Cat.query('owner').eq('bob').filter('age').between(10, 12).consistent().sort('descending').exec()
  assert.deepEqual(old.map((cat) => cat.age), [12, 11, 10])
  const scanned = await Cat.scan('breed').eq('manx').and().where('age').lt(10).consistent().parallel(3).all().exec()
  assert.deepEqual(scanned.map((cat) => cat.age).sort(), [1, 3, 5, 7, 9])
  assert.equal((await Cat.scan().consistent().count().exec()).count, 30)
  const manxes = await eventually(
    () => Cat.query('breed').eq('manx').where('age').gt(20).using('by-breed').exec(),
    (found) => found.length === 5
  )
  assert.deepEqual(manxes.map((cat) => cat.age), [21, 23, 25, 27, 29])
  const got = await eventually(
    () => Cat.batchGet([{ owner: 'bob', name: 'c01' }, { owner: 'bob', name: 'c02' }, { owner: 'bob', name: 'none' }]),
    (found) => found.length === 2
  )
  assert.deepEqual(got.map((cat) => cat.age).sort(), [1, 2])
  await Cat.batchDelete(cats.slice(0, 5).map(({ owner, name }) => ({ owner, name })))
  assert.equal((await Cat.query('owner').eq('bob').consistent().count().exec()).count, 25)
})

test('transactions', async () => {
  await dynamoose.transaction([
    Cat.transaction.create({ owner: 'cat', name: 'one', age: 1 }),
    Cat.transaction.create({ owner: 'cat', name: 'two', age: 2 })
  ])
  await assert.rejects(dynamoose.transaction([
    Cat.transaction.update({ owner: 'cat', name: 'one' }, { age: 9 }),
    Cat.transaction.create({ owner: 'cat', name: 'two' })
  ]), { name: 'TransactionCanceledException' })
  const read = await dynamoose.transaction([
    Cat.transaction.get({ owner: 'cat', name: 'one' }),
    Cat.transaction.get({ owner: 'cat', name: 'two' })
  ])
  assert.deepEqual(read.map((cat) => cat.age), [1, 2])
})

test('a changed model changes its table', async () => {
  const changed = new dynamoose.Schema({
    owner: { type: String, hashKey: true },
    name: { type: String, rangeKey: true },
    breed: String,
    age: Number,
    color: { type: String, index: { type: 'global', name: 'by-color' } }
  })
  const Changed = dynamoose.model('Changed', changed)
  const options = {
    waitForActive, tags: { team: 'cats' }, update: true, throughput: 'ON_DEMAND', initialize: false, streamOptions: { enabled: true, type: 'NEW_IMAGE' }
  }
  const second = new dynamoose.Table(name, [Changed], options)
  await second.initialize()
  const { Table } = await dynamoose.aws.ddb().describeTable({ TableName: name })
  assert.deepEqual(Table.GlobalSecondaryIndexes.map((index) => [index.IndexName, index.IndexStatus]), [['by-color', 'ACTIVE']])
  assert.deepEqual(Table.StreamSpecification, { StreamEnabled: true, StreamViewType: 'NEW_IMAGE' })
  const { Tags } = await dynamoose.aws.ddb().listTagsOfResource({ ResourceArn: Table.TableArn })
  assert.deepEqual(Tags, [{ Key: 'team', Value: 'cats' }])
  assert.equal((await table.create({ return: 'request' })).TableName, name)
})

test('items of a table with `expires` leave when they have expired', async () => {
  const Nap = dynamoose.model('Nap', new dynamoose.Schema({ cat: { type: String, hashKey: true }, until: Date }))
  const naps = tableName('naps')
  const table = new dynamoose.Table(naps, [Nap], { waitForActive, throughput: 'ON_DEMAND', initialize: false, expires: { ttl: 1000, attribute: 'until', items: { returnExpired: false } } })
  await table.initialize()
  const described = () => dynamoose.aws.ddb().describeTimeToLive({ TableName: naps })
  const { TimeToLiveDescription } = await eventually(described, (told) => told.TimeToLiveDescription.TimeToLiveStatus === 'ENABLED')
  assert.equal(TimeToLiveDescription.AttributeName, 'until')
  await Nap.create({ cat: 'tom' })
  await eventually(() => dynamoose.aws.ddb().scan({ TableName: naps, ConsistentRead: true }), ({ Count }) => Count === 0)
})
