// DynamoDB-Toolbox: schemas with computed keys, commands, update extensions, batches, transactions, queries over an index.
'use strict'

const assert = require('node:assert/strict')
const { before, test } = require('node:test')
const { CreateTableCommand, DynamoDBClient, waitUntilTableExists } = require('@aws-sdk/client-dynamodb')
const { DynamoDBDocumentClient } = require('@aws-sdk/lib-dynamodb')
const toolbox = require('dynamodb-toolbox')
const { eventually, tableName } = require('./stator')

const { $add, $append, $delete, $get, $remove, $sum, item, list, map, number, set, string } = toolbox
const client = new DynamoDBClient({})

const table = new toolbox.Table({
  name: tableName('zoo'),
  documentClient: DynamoDBDocumentClient.from(client),
  partitionKey: { name: 'PK', type: 'string' },
  sortKey: { name: 'SK', type: 'string' },
  indexes: { 'by-level': { type: 'global', partitionKey: { name: 'kind', type: 'string' }, sortKey: { name: 'level', type: 'number' } } }
})

const Pokemon = new toolbox.Entity({
  name: 'Pokemon',
  table,
  schema: item({
    trainer: string().key().savedAs('PK').transform(toolbox.prefix('TRAINER')),
    name: string().key().savedAs('SK').transform(toolbox.prefix('POKEMON')),
    kind: string().enum('fire', 'water').default('fire'),
    level: number(),
    types: set(string()).optional(),
    moves: list(string()).default(() => []),
    home: map({ town: string(), street: string().optional() }).optional()
  }),
  timestamps: true
})

const Egg = new toolbox.Entity({
  name: 'Egg',
  table,
  schema: item({
    trainer: string().key().savedAs('PK').transform(toolbox.prefix('TRAINER')),
    id: string().key().savedAs('SK').transform(toolbox.prefix('EGG')),
    hatches: number()
  })
})

before(async () => {
  await client.send(new CreateTableCommand({
    TableName: table.getName(),
    KeySchema: [{ AttributeName: 'PK', KeyType: 'HASH' }, { AttributeName: 'SK', KeyType: 'RANGE' }],
    AttributeDefinitions: [
      { AttributeName: 'PK', AttributeType: 'S' },
      { AttributeName: 'SK', AttributeType: 'S' },
      { AttributeName: 'kind', AttributeType: 'S' },
      { AttributeName: 'level', AttributeType: 'N' }
    ],
    GlobalSecondaryIndexes: [{
      IndexName: 'by-level',
      KeySchema: [{ AttributeName: 'kind', KeyType: 'HASH' }, { AttributeName: 'level', KeyType: 'RANGE' }],
      Projection: { ProjectionType: 'ALL' },
      ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 }
    }],
    ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 5 }
  }))
  await waitUntilTableExists({ client, maxWaitTime: 20, minDelay: 1, maxDelay: 1 }, { TableName: table.getName() })
})

const read = async (key) => (await Pokemon.build(toolbox.GetItemCommand).key(key).options({ consistent: true }).send()).Item

test('an item is put, read, updated and deleted', async () => {
  const key = { trainer: 'ash', name: 'pika' }
  const put = Pokemon.build(toolbox.PutItemCommand)
    .item({ ...key, level: 5, types: new Set(['electric', 'odd']), home: { town: 'pallet', street: 'main' } })
    .options({ condition: { attr: 'trainer', exists: false }, capacity: 'TOTAL' })
  const { ConsumedCapacity } = await put.send()
  assert.ok(ConsumedCapacity.CapacityUnits >= 1)
  await assert.rejects(put.send(), toolbox.isConditionCheckFailed)
  const got = await read(key)
  assert.deepEqual([got.level, got.kind, got.moves, got.types], [5, 'fire', [], new Set(['electric', 'odd'])])
  assert.ok(!Number.isNaN(Date.parse(got.created)))
  const { Attributes } = await Pokemon.build(toolbox.UpdateItemCommand)
    .item({
      ...key,
      level: $sum($get('level'), 3),
      types: $delete(new Set(['odd'])),
      moves: $append(['bolt', 'tail']),
      home: { street: $remove() }
    })
    .options({ returnValues: 'ALL_NEW', condition: { and: [{ attr: 'level', gte: 5 }, { attr: 'home.town', eq: 'pallet' }] } })
    .send()
  assert.equal(Attributes.level, 8)
  assert.deepEqual([Attributes.moves, Attributes.types, Attributes.home], [['bolt', 'tail'], new Set(['electric']), { town: 'pallet' }])
  await Pokemon.build(toolbox.UpdateItemCommand).item({ ...key, level: $add(1) }).send()
  assert.equal((await read(key)).level, 9)
  await Pokemon.build(toolbox.DeleteItemCommand).key(key).send()
  assert.equal(await read(key), undefined)
})

test('batches are written and read, queried and scanned', async () => {
  const pokemons = Array.from({ length: 12 }, (_, n) => ({ trainer: 'misty', name: `p${String(n).padStart(2, '0')}`, kind: 'water', level: n }))
  await toolbox.executeBatchWrite(
    { maxAttempts: 3 },
    table.build(toolbox.BatchWriteCommand).requests(
      ...pokemons.map((pokemon) => Pokemon.build(toolbox.BatchPutRequest).item(pokemon)),
      Egg.build(toolbox.BatchPutRequest).item({ trainer: 'misty', id: '1', hatches: 7 })
    )
  )
  const { Responses } = await toolbox.executeBatchGet(
    table.build(toolbox.BatchGetCommand).requests(
      Pokemon.build(toolbox.BatchGetRequest).key({ trainer: 'misty', name: 'p03' }),
      Egg.build(toolbox.BatchGetRequest).key({ trainer: 'misty', id: '1' })
    ).options({ consistent: true })
  )
  assert.deepEqual(Responses[0].map((item) => item.level ?? item.hatches), [3, 7])
  const query = table.build(toolbox.QueryCommand)
    .entities(Pokemon, Egg)
    .query({ partition: 'TRAINER#misty', range: { beginsWith: 'POKEMON#' } })
    .options({ consistent: true, limit: 5, maxPages: Infinity, reverse: true, filters: { Pokemon: { attr: 'level', gte: 2 } } })
  const queried = await query.send()
  assert.deepEqual(queried.Items.map((item) => item.level), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2])
  const all = await table.build(toolbox.ScanCommand).entities(Pokemon, Egg).options({ consistent: true, maxPages: Infinity }).send()
  assert.equal(all.Items.length, 13)
  const { Items } = await eventually(
    () => table.build(toolbox.QueryCommand)
      .entities(Pokemon)
      .query({ index: 'by-level', partition: 'water', range: { between: [3, 5] } })
      .send(),
    ({ Items }) => Items?.length === 3
  )
  assert.deepEqual(Items.map((item) => item.level), [3, 4, 5])
})

test('transactions are written, cancelled and read', async () => {
  const egg = { trainer: 'brock', id: '1' }
  const hatched = { trainer: 'brock', name: 'onix' }
  await Egg.build(toolbox.PutItemCommand).item({ ...egg, hatches: 1 }).send()
  const hatch = () => toolbox.executeTransactWrite(
    Egg.build(toolbox.DeleteTransaction).key(egg).options({ condition: { attr: 'hatches', eq: 1 } }),
    Pokemon.build(toolbox.PutTransaction).item({ ...hatched, level: 1 }).options({ condition: { attr: 'trainer', exists: false } })
  )
  await hatch()
  await assert.rejects(hatch(), { name: 'TransactionCanceledException' })
  const { Responses } = await toolbox.executeTransactGet(
    Pokemon.build(toolbox.GetTransaction).key(hatched),
    Egg.build(toolbox.GetTransaction).key(egg)
  )
  assert.deepEqual(Responses.map(({ Item }) => Item?.level), [1, undefined])
})
