// ElectroDB: two entities in one table, found together by a collection over a global index; uniqueness, patches, batches,
// transactions and pages.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { CreateTableCommand, DynamoDBClient, waitUntilTableExists } = require('@aws-sdk/client-dynamodb')
const { Entity, Service } = require('electrodb')
const { eventually, tableName } = require('./stator')

const client = new DynamoDBClient({})
const table = tableName('tasks')
const consistent = { consistent: true }

const Employee = new Entity({
  model: { entity: 'employee', version: '1', service: 'taskapp' },
  attributes: {
    employee: { type: 'string', default: () => 'nobody' },
    team: { type: ['blue', 'red'], required: true },
    salary: { type: 'number' },
    skills: { type: 'set', items: 'string' },
    address: { type: 'map', properties: { city: { type: 'string' }, zip: { type: 'string' } } },
    since: { type: 'string', readOnly: true, set: (value) => value ?? '2026-01-01' }
  },
  indexes: {
    employee: { pk: { field: 'pk', composite: ['employee'] }, sk: { field: 'sk', composite: [] } },
    assigned: { collection: 'assignments', index: 'gsi1', pk: { field: 'gsi1pk', composite: ['team'] }, sk: { field: 'gsi1sk', composite: ['employee'] } }
  }
}, { client, table })

const Task = new Entity({
  model: { entity: 'task', version: '1', service: 'taskapp' },
  attributes: {
    task: { type: 'string', required: true },
    team: { type: ['blue', 'red'], required: true },
    project: { type: 'string', required: true },
    points: { type: 'number', default: 0 },
    notes: { type: 'list', items: { type: 'string' } },
    status: { type: ['open', 'done'], default: 'open' },
    expires: { type: 'number', set: () => Math.floor(Date.now() / 1000) + 3600 }
  },
  indexes: {
    task: { pk: { field: 'pk', composite: ['project'] }, sk: { field: 'sk', composite: ['task'] } },
    assigned: { collection: 'assignments', index: 'gsi1', pk: { field: 'gsi1pk', composite: ['team'] }, sk: { field: 'gsi1sk', composite: ['project', 'task'] } }
  }
}, { client, table })

const taskapp = new Service({ employee: Employee, task: Task }, { client, table })

before(async () => {
  const keys = (pk, sk) => [{ AttributeName: pk, KeyType: 'HASH' }, { AttributeName: sk, KeyType: 'RANGE' }]
  await client.send(new CreateTableCommand({
    TableName: table,
    KeySchema: keys('pk', 'sk'),
    AttributeDefinitions: ['pk', 'sk', 'gsi1pk', 'gsi1sk'].map((name) => ({ AttributeName: name, AttributeType: 'S' })),
    GlobalSecondaryIndexes: [{ IndexName: 'gsi1', KeySchema: keys('gsi1pk', 'gsi1sk'), Projection: { ProjectionType: 'ALL' } }],
    BillingMode: 'PAY_PER_REQUEST'
  }))
  await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName: table })
})

test('an employee is created once, read, patched and upserted', async () => {
  const ann = { employee: 'ann', team: 'blue', salary: 100, skills: ['go', 'rust'], address: { city: 'Ghent', zip: '9000' } }
  await Employee.create(ann).go()
  await assert.rejects(Employee.create(ann).go(), /The conditional request failed/)
  const { data } = await Employee.get({ employee: 'ann' }).go(consistent)
  assert.deepEqual({ ...data, skills: [...data.skills].sort() }, { ...ann, since: '2026-01-01' })
  const patched = await Employee.patch({ employee: 'ann' })
    .add({ salary: 10, skills: ['sql'] })
    .data((attributes, operations) => operations.set(attributes.address.city, 'Bruges'))
    .where((attributes, operations) => `${operations.gte(attributes.salary, 100)} AND ${operations.exists(attributes.team)}`)
    .go({ response: 'all_new' })
  assert.equal(patched.data.salary, 110)
  assert.deepEqual(patched.data.address, { city: 'Bruges', zip: '9000' })
  assert.deepEqual([...patched.data.skills].sort(), ['go', 'rust', 'sql'])
  await assert.rejects(Employee.patch({ employee: 'zoe' }).set({ salary: 1 }).go(), /The conditional request failed/)
  const upserted = await Employee.upsert({ employee: 'bob', team: 'red' }).add({ salary: 5 }).go({ response: 'all_new' })
  assert.equal(upserted.data.salary, 5)
  await Employee.remove({ employee: 'bob' }).go()
  assert.equal((await Employee.get({ employee: 'bob' }).go(consistent)).data, null)
})

test('tasks are put in batches and queried page by page', async () => {
  const tasks = Array.from({ length: 40 }, (_, n) => ({
    task: `t${String(n).padStart(2, '0')}`, team: n % 2 ? 'red' : 'blue', project: 'moon', points: n, notes: [`note ${n}`]
  }))
  const { unprocessed } = await Task.put(tasks).go({ concurrency: 2 })
  assert.deepEqual(unprocessed, [])
  let cursor = null
  const found = []
  do {
    const page = await Task.query.task({ project: 'moon' }).go({ ...consistent, cursor, limit: 15 })
    found.push(...page.data)
    cursor = page.cursor
  } while (cursor)
  assert.deepEqual(found.map((task) => task.task), tasks.map((task) => task.task))
  const some = await Task.query.task({ project: 'moon' })
    .between({ task: 't10' }, { task: 't19' })
    .where(({ points, notes }, { gt, contains }) => `${gt(points, 15)} OR ${contains(notes, 'note 10')}`)
    .go({ ...consistent, order: 'desc', pages: 'all' })
  assert.deepEqual(some.data.map((task) => task.points), [19, 18, 17, 16, 10])
  const got = await Task.get([{ project: 'moon', task: 't01' }, { project: 'moon', task: 't39' }, { project: 'moon', task: 'none' }])
    .go({ ...consistent, preserveBatchOrder: true })
  assert.deepEqual(got.data.map((task) => task && task.points), [1, 39, null])
  const scanned = await Task.scan.where(({ status }, { eq }) => eq(status, 'open')).go({ ...consistent, pages: 'all' })
  assert.equal(scanned.data.length, 40)
})

test('a collection finds employees and tasks of a team', async () => {
  const { data } = await eventually(
    () => taskapp.collections.assignments({ team: 'blue' }).go({ pages: 'all' }),
    ({ data }) => data.task.length === 20 && data.employee.length === 1
  )
  assert.equal(data.employee[0].employee, 'ann')
  assert.ok(data.task.every((task) => task.team === 'blue'))
})

test('transactions are written and read', async () => {
  const written = await taskapp.transaction.write(({ employee, task }) => [
    employee.create({ employee: 'cat', team: 'red' }).commit(),
    task.patch({ project: 'moon', task: 't01' }).set({ status: 'done' }).commit(),
    task.check({ project: 'moon', task: 't02' }).where(({ status }, { eq }) => eq(status, 'open')).commit()
  ]).go()
  assert.equal(written.canceled, false)
  const canceled = await taskapp.transaction.write(({ employee, task }) => [
    task.patch({ project: 'moon', task: 't03' }).set({ status: 'done' }).commit(),
    employee.create({ employee: 'cat', team: 'red' }).commit({ response: 'all_old' })
  ]).go()
  assert.equal(canceled.canceled, true)
  assert.deepEqual(canceled.data.map((result) => [result.rejected, result.code]), [[false, 'None'], [true, 'ConditionalCheckFailed']])
  assert.equal(canceled.data[1].item.employee, 'cat')
  const read = await taskapp.transaction.get(({ task }) => [
    task.get({ project: 'moon', task: 't01' }).commit(),
    task.get({ project: 'moon', task: 't03' }).commit()
  ]).go()
  assert.deepEqual(read.data.map(({ item }) => item.status), ['done', 'open'])
})
