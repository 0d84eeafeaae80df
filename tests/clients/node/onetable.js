// OneTable: several models in one table that it makes itself, unique attributes, queries over indexes, batches, transactions.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { DescribeTimeToLiveCommand, DynamoDBClient } = require('@aws-sdk/client-dynamodb')
const { Table } = require('dynamodb-onetable')
const { eventually, tableName } = require('./stator')

const schema = {
  format: 'onetable:1.1.0',
  version: '0.0.1',
  indexes: {
    primary: { hash: 'pk', sort: 'sk' },
    gs1: { hash: 'gs1pk', sort: 'gs1sk', follow: true, project: 'keys' },
    ls1: { type: 'local', sort: 'balance', project: ['name', 'role'] }
  },
  models: {
    Account: {
      pk: { type: String, value: 'account:${id}' },
      sk: { type: String, value: 'account:' },
      id: { type: String, generate: 'ulid' },
      name: { type: String, required: true, unique: true },
      status: { type: String, default: 'active' },
      tags: { type: Set },
      address: { type: Object, default: {}, schema: { street: { type: String }, zip: { type: String } } }
    },
    User: {
      pk: { type: String, value: 'account:${accountId}' },
      sk: { type: String, value: 'user:${email}' },
      accountId: { type: String, required: true },
      email: { type: String, required: true },
      name: { type: String },
      role: { type: String, enum: ['user', 'admin'], default: 'user' },
      balance: { type: Number, default: 0 },
      secret: { type: Buffer },
      expires: { type: Date, ttl: true },
      gs1pk: { type: String, value: 'role:${role}' },
      gs1sk: { type: String, value: 'user:${email}' }
    }
  },
  queries: {},
  params: { isoDates: true, timestamps: true }
}

const table = new Table({ client: new DynamoDBClient({}), name: tableName('accounts'), schema, partial: true, logger: false })
const Account = table.getModel('Account')
const User = table.getModel('User')
const consistent = { consistent: true }

before(async () => {
  await table.createTable({ wait: 20, TimeToLiveSpecification: { AttributeName: 'expires', Enabled: true } })
  assert.ok(await table.exists())
  const described = () => new DynamoDBClient({}).send(new DescribeTimeToLiveCommand({ TableName: table.name }))
  const { TimeToLiveDescription } = await eventually(described, (told) => told.TimeToLiveDescription.TimeToLiveStatus === 'ENABLED')
  assert.equal(TimeToLiveDescription.AttributeName, 'expires')
})

test('accounts have unique names', async () => {
  const acme = await Account.create({ name: 'acme', tags: new Set(['a', 'b']), address: { street: 'main', zip: '1' } })
  assert.match(acme.id, /^[0-9A-Z]{26}$/)
  await assert.rejects(Account.create({ name: 'acme' }), /unique/)
  const got = await Account.get({ id: acme.id }, consistent)
  assert.deepEqual([got.name, got.status, got.tags, got.address], ['acme', 'active', new Set(['a', 'b']), { street: 'main', zip: '1' }])
  const updated = await Account.update({ id: acme.id, address: { zip: '2' } }, { set: { status: 'closed' }, where: '${status} = {active}' })
  assert.deepEqual([updated.status, updated.address], ['closed', { street: 'main', zip: '2' }])
  await assert.rejects(Account.update({ id: acme.id }, { set: { status: 'x' }, where: '${status} = {active}', throw: true }))
  // A change of a unique attribute begins with a read without ConsistentRead.
  const isSeen = (name) => eventually(() => Account.get({ id: acme.id }), (account) => account?.name === name && account.status === 'closed')
  await isSeen('acme')
  await Account.update({ id: acme.id, name: 'acme2' })
  // The old name is free again.
  await Account.create({ name: 'acme' })
  await isSeen('acme2')
  await Account.remove({ id: acme.id })
  assert.equal(await Account.get({ id: acme.id }, consistent), undefined)
})

test('users are found page by page, over a local and a global index', async () => {
  const accountId = 'a1'
  for (let n = 0; n < 24; n++) {
    await User.create({
      accountId, email: `u${String(n).padStart(2, '0')}@x.org`, name: `user ${n}`, balance: 100 - n, role: n % 8 ? 'user' : 'admin', secret: Buffer.from([n]), expires: new Date(Date.now() + 3600000)
    })
  }
  const found = []
  let next
  do {
    const page = await User.find({ accountId }, { ...consistent, limit: 10, next })
    found.push(...page)
    next = page.next
  } while (next)
  assert.equal(found.length, 24)
  assert.ok(found[3].secret.equals(Buffer.from([3])) && found[3].expires instanceof Date)
  const rich = await User.find({ accountId }, { ...consistent, where: '${balance} >= {98} and ${role} = {user}' })
  assert.deepEqual(rich.map((user) => user.balance), [99, 98])
  const begins = await User.find({ accountId, sk: { begins: 'user:u1' } }, { ...consistent, reverse: true })
  assert.deepEqual([begins.length, begins[0].email], [10, 'u19@x.org'])
  const poorest = await User.find({ pk: `account:${accountId}`, balance: { '<': 80 } }, { ...consistent, index: 'ls1', limit: 2, fields: ['balance', 'name'] })
  assert.deepEqual(poorest.map((user) => user.balance), [77, 78])
  const admins = await eventually(() => User.find({ role: 'admin' }, { index: 'gs1', follow: true }), (users) => users.length === 3 && users.every((user) => user.name))
  assert.deepEqual(admins.map((user) => user.email), ['u00@x.org', 'u08@x.org', 'u16@x.org'])
  assert.equal((await User.find({ accountId }, { ...consistent, count: true })).count, 24)
  const scanned = await User.scan({}, { ...consistent, where: '${balance} > {95}' })
  assert.equal(scanned.length, 5)
  const added = await User.update({ accountId, email: 'u00@x.org' }, { add: { balance: 10 }, remove: ['secret'] })
  assert.deepEqual([added.balance, added.secret], [110, undefined])
})

test('batches and transactions', async () => {
  const key = (n) => ({ accountId: 'a2', email: `b${n}@x.org` })
  const writes = {}
  for (let n = 0; n < 5; n++) await User.create({ ...key(n), balance: n }, { batch: writes })
  assert.equal(await table.batchWrite(writes), true)
  const reads = {}
  for (let n = 0; n < 5; n++) await User.get(key(n), { batch: reads })
  const users = await table.batchGet(reads, { parse: true, hidden: false, consistent: true })
  assert.deepEqual(users.map((user) => user.balance).sort(), [0, 1, 2, 3, 4])
  const transfer = async (amount) => {
    const transaction = {}
    await User.update(key(4), { add: { balance: -amount }, where: `\${balance} >= {${amount}}`, transaction })
    await User.update(key(0), { add: { balance: amount }, transaction })
    await table.transact('write', transaction)
  }
  await transfer(3)
  await assert.rejects(transfer(3), /Transaction|cancel/i)
  const transaction = {}
  await User.get(key(0), { transaction })
  await User.get(key(4), { transaction })
  const balances = await table.transact('get', transaction, { parse: true, hidden: true })
  assert.deepEqual(balances.map((user) => user.balance), [3, 1])
})

test('schemas are kept in the table, which is deleted at last', async () => {
  await table.saveSchema()
  const kept = await eventually(() => table.readSchema(), (schema) => schema)
  assert.equal(kept.version, '0.0.1')
  await table.deleteTable('DeleteTableForever')
  await eventually(() => table.exists(), (exists) => !exists)
})
