// connect-dynamodb: the sessions of an Express application, in a table that the store makes; expired ones are reaped by a scan
// with the legacy parameters.
'use strict'

const assert = require('node:assert/strict')
const { after, before, test } = require('node:test')
const { promisify } = require('node:util')
const express = require('express')
const session = require('express-session')
const { tableName } = require('./stator')

const DynamoDBStore = require('connect-dynamodb')(session)
const store = new DynamoDBStore({ table: tableName('sessions'), readCapacityUnits: 5, writeCapacityUnits: 5 })
const of = (method) => promisify(store[method].bind(store))
let server
let site

before(async () => {
  await store.initialize()
  const app = express()
  app.use(session({ store, secret: 'only a test', resave: false, saveUninitialized: false, cookie: { maxAge: 60000 } }))
  app.get('/count', (request, reply) => {
    request.session.count = (request.session.count ?? 0) + 1
    reply.json(request.session.count)
  })
  app.get('/leave', (request, reply, next) => request.session.destroy((error) => error ? next(error) : reply.json('left')))
  server = app.listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  site = `http://127.0.0.1:${server.address().port}`
})

after(() => server.close())

test('a visitor is recognised until he leaves', async () => {
  const first = await fetch(`${site}/count`)
  assert.equal(await first.json(), 1)
  const headers = { cookie: first.headers.get('set-cookie').split(';')[0] }
  const ask = async (path) => (await fetch(site + path, { headers })).json()
  assert.equal(await ask('/count'), 2)
  assert.equal(await ask('/count'), 3)
  assert.equal(await (await fetch(`${site}/count`)).json(), 1)
  assert.equal(await ask('/leave'), 'left')
  assert.equal(await ask('/count'), 1)
})

test('sessions are set, touched, read, reaped and destroyed', async () => {
  await of('set')('living', { cookie: { maxAge: 3600000 }, name: 'ann' })
  await of('set')('dead', { cookie: { maxAge: -5000 }, name: 'bob' })
  assert.equal((await of('get')('living')).name, 'ann')
  assert.equal(await of('get')('dead'), null)
  const { expires } = await of('touch')('living', { cookie: { maxAge: 7200000 } })
  assert.ok(Number(expires) > Date.now() / 1000 + 7000)
  const { GetItemCommand } = require('@aws-sdk/client-dynamodb')
  const stored = async (sid) => (await store.client.send(new GetItemCommand({ TableName: store.table, Key: { id: { S: `sess:${sid}` } }, ConsistentRead: true }))).Item
  assert.ok(await stored('dead'))
  const deadline = Date.now() + 20000
  // The scan is not strongly consistent, so a replica may not know the dead one yet.
  do await of('reap')(); while (await stored('dead') && Date.now() < deadline)
  assert.equal(await stored('dead'), undefined)
  await of('destroy')('living')
  assert.equal(await of('get')('living'), null)
})
