// What the scripts of this folder share. Where Stator is, and with which key it is called, stands in the environment, in the
// variables that the AWS SDK reads by itself.
'use strict'

const assert = require('node:assert/strict')
const path = require('node:path')
const { setTimeout: sleep } = require('node:timers/promises')

const SECONDS_MAX = 20

/** A table's name that no other script uses. */
exports.tableName = (suffix) => `${path.basename(require.main.filename, '.js')}-${suffix}`

/** Asks until the answer satisfies `isSo`, and returns it: for indexes and for reads that are not strongly consistent. */
exports.eventually = async (ask, isSo) => {
  const end = Date.now() + SECONDS_MAX * 1000
  for (;;) {
    const answer = await ask()
    if (isSo(answer)) return answer
    assert.ok(Date.now() < end, `still after ${SECONDS_MAX} s: ${JSON.stringify(answer)}`)
    await sleep(20)
  }
}

/** All that an asynchronous iterator yields. */
exports.collect = async (iterator) => {
  const all = []
  for await (const one of iterator) all.push(one)
  return all
}
