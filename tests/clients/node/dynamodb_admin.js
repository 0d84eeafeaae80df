// dynamodb-admin: its program serves its pages, creates a table by its form, adds, lists, edits and deletes items, and purges.
// Left out: nothing that it offers. It sends a session token unless told to take the SDK's credentials.
'use strict'

const assert = require('node:assert/strict')
const { spawn } = require('node:child_process')
const { after, before, test } = require('node:test')
const { eventually, tableName } = require('./stator')

const PORT = process.env.STATOR_FREE_PORT
const site = `http://127.0.0.1:${PORT}`
const name = tableName('things')
let program
let printed = ''

before(async () => {
  const endpoint = process.env.AWS_ENDPOINT_URL_DYNAMODB
  const path = require.resolve('dynamodb-admin').replace('backend.js', 'dynamodb-admin.js')
  program = spawn(process.execPath, [path, '--host', '127.0.0.1', '--port', PORT, '--dynamo-endpoint', endpoint, '--skip-default-credentials'])
  for (const stream of [program.stdout, program.stderr]) stream.on('data', (data) => { printed += data })
  await eventually(() => fetch(site).then(() => true, () => program.exitCode !== null), (isUp) => isUp)
  assert.equal(program.exitCode, null, printed)
})

after(() => program.kill())

const page = async (path) => {
  const reply = await fetch(site + path)
  const text = await reply.text()
  assert.equal(reply.status, 200, `${path}: ${text}\n${printed}`)
  return text
}

const send = async (method, path, body) => {
  const reply = await fetch(site + path, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) })
  const text = await reply.text()
  assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}\n${printed}`)
  return text && reply.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
}

const items = (query) => send('GET', `/tables/${name}/items?${new URLSearchParams(query)}`)

test('the pages load and a table is created by the form', async () => {
  await page('/')
  assert.match(await page('/create-table'), /Hash Attribute Name/i)
  await send('POST', '/create-table', {
    TableDefinition: {
      TableName: name,
      HashAttributeName: 'kind',
      HashAttributeType: 'S',
      RangeAttributeName: 'number',
      RangeAttributeType: 'N',
      ReadCapacityUnits: 3,
      WriteCapacityUnits: 3
    },
    SecondaryIndexes: [
      { IndexName: 'by-color', IndexType: 'global', HashAttributeName: 'color', HashAttributeType: 'S', RangeAttributeName: 'number', RangeAttributeType: 'N', ReadCapacityUnits: 3, WriteCapacityUnits: 3 },
      { IndexName: 'by-size', IndexType: 'local', HashAttributeName: 'kind', HashAttributeType: 'S', RangeAttributeName: 'size', RangeAttributeType: 'N' }
    ]
  })
  assert.match(await page('/'), new RegExp(name))
  const { Table } = { Table: (await send('GET', '/api/tables')).find((table) => table.TableName === name) }
  assert.deepEqual([Table.GlobalSecondaryIndexes.length, Table.LocalSecondaryIndexes.length], [1, 1])
  for (const path of ['', '/get', '/add-item', '/meta', '/ttl']) assert.match(await page(`/tables/${name}${path}`), new RegExp(name))
})

test('items are added, listed page by page, edited and deleted', async () => {
  for (let number = 0; number < 12; number++) {
    await eventually(
      // The page reads what it has added without ConsistentRead, and says 404 while its replica is behind.
      () => send('PUT', `/tables/${name}/add-item`, { kind: 'ball', number, color: number % 2 ? 'red' : 'blue', size: 100 - number }).catch(() => null),
      (key) => key?.number === number
    )
  }
  await eventually(() => items({}), (listed) => listed.Items.length === 12)
  const first = await items({ pageSize: 5, operationType: 'query', queryableSelection: 'table', filters: JSON.stringify({ kind: { value: 'ball', operator: '=', type: 'S' } }) })
  assert.deepEqual(first.Items.map((item) => item.number), [0, 1, 2, 3, 4])
  const second = await items({ pageSize: 20, startKey: decodeURIComponent(first.nextKey), filters: JSON.stringify({ size: { value: '90', operator: '>=', type: 'N' } }) })
  assert.deepEqual(second.Items.map((item) => item.number), [5, 6, 7, 8, 9, 10])
  const red = await eventually(
    () => items({ operationType: 'query', queryableSelection: 'by-color', filters: JSON.stringify({ color: { value: 'red', operator: '=', type: 'S' } }) }),
    ({ Items }) => Items.length === 6
  )
  assert.deepEqual(red.Items.map((item) => item.number), [1, 3, 5, 7, 9, 11])
  await send('PUT', `/tables/${name}/items/ball,3`, { kind: 'ball', number: 3, color: 'green', size: 1 })
  await eventually(() => page(`/tables/${name}/items/ball,3`), (text) => text.includes('green'))
  await send('DELETE', `/tables/${name}/items/ball,3`)
  await eventually(() => items({}), (listed) => listed.Items.length === 11)
})

test('a table is purged and deleted', async () => {
  // It deletes what it reads, without ConsistentRead.
  await eventually(async () => { await send('DELETE', `/tables/${name}/all`); return items({}) }, (listed) => listed.Items.length === 0)
  await send('DELETE', `/tables/${name}`)
  await eventually(() => page('/'), (text) => !text.includes(name))
})
