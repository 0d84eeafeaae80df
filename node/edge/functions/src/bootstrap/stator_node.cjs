'use strict';
// Runs JavaScript handlers over Lambda's Runtime API: CommonJS and ES modules, promises and callbacks.

const fs = require('fs');
const http = require('http');
const path = require('path');
const util = require('util');

const API = process.env.AWS_LAMBDA_RUNTIME_API;
const ROOT = process.env.LAMBDA_TASK_ROOT;
const [host, port] = [API.slice(0, API.lastIndexOf(':')), API.slice(API.lastIndexOf(':') + 1)];
// One connection that stays open. While it idles, it does not keep the event loop busy.
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

let requestId;

function request(method, where, body = '', headers = {}) {
  return new Promise((resolve, reject) => {
    const length = Buffer.byteLength(body);
    const options = { agent, host, port, method, path: `/2018-06-01/runtime/${where}`, headers: { ...headers, 'Content-Length': length } };
    const sent = http.request(options, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    sent.on('socket', (socket) => socket.setNoDelay(true));
    sent.on('error', reject);
    sent.end(body);
  });
}

function postError(where, error) {
  return request('POST', where, JSON.stringify(error), {
    'Content-Type': 'application/json',
    'Lambda-Runtime-Function-Error-Type': error.errorType.replace(/[^\x20-\x7e]/g, '?'),
  });
}

// Lines are written at once: nothing may be lost if the process ends, and nothing may come after the answer.
function write(text) {
  let rest = Buffer.from(text);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(fs.writeSync(1, rest));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

function patchConsole() {
  const levels = { trace: 'TRACE', debug: 'DEBUG', log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR' };
  for (const [method, level] of Object.entries(levels)) {
    console[method] = (...values) => {
      const text = util.format(...values).replace(/\n/g, '\r');
      write(`${new Date().toISOString()}\t${requestId}\t${level}\t${text}\n`);
    };
  }
}

class Fault extends Error {
  constructor(name, message) {
    super(message);
    this.name = name;
  }
}

function errorOf(error) {
  if (!util.types.isNativeError(error) && !(error instanceof Error)) {
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  }
  const name = String(error.name || 'Error');
  return { errorType: name, errorMessage: String(error.message), trace: String(error.stack || '').split('\n') };
}

function log(what, error) {
  write(`${new Date().toISOString()}\t${requestId}\tERROR\t${what}\t${JSON.stringify(error)}\n`);
}

function find(module) {
  const base = path.resolve(ROOT, module);
  if (base !== ROOT && !base.startsWith(ROOT + path.sep)) return undefined;
  return ['', '.js', '.mjs', '.cjs'].map((ending) => base + ending).find((file) => fs.existsSync(file) && fs.statSync(file).isFile());
}

async function load(handler) {
  const folder = path.dirname(handler);
  const match = /^([^.]*)\.(.*)$/.exec(path.basename(handler));
  if (!match || handler.includes('..')) throw new Fault('Runtime.MalformedHandlerName', 'Bad handler');
  const file = find(path.join(folder, match[1]));
  if (!file) {
    throw new Fault('Runtime.ImportModuleError', `Error: Cannot find module '${match[1]}'\nRequire stack:\n- ${__filename}`);
  }
  let module;
  try {
    module = await imported(file);
  } catch (error) {
    if (error instanceof SyntaxError) throw new Fault('Runtime.UserCodeSyntaxError', String(error));
    if (error && /^(ERR_)?MODULE_NOT_FOUND$/.test(error.code)) throw new Fault('Runtime.ImportModuleError', String(error));
    throw error;
  }
  const found = match[2].split('.').reduce((inner, name) => (inner === undefined || inner === null ? undefined : inner[name]), module);
  if (found === undefined) throw new Fault('Runtime.HandlerNotFound', `${handler} is undefined or not exported`);
  if (typeof found !== 'function') throw new Fault('Runtime.HandlerNotFound', `${handler} is not a function`);
  return found;
}

async function imported(file) {
  if (!file.endsWith('.mjs')) {
    try {
      return require(file);
    } catch (error) {
      // A file of a package with "type": "module", or a module that awaits at its top.
      if (!error || !/^ERR_REQUIRE_(ESM|ASYNC_MODULE)$/.test(error.code)) throw error;
    }
  }
  const module = await import(require('url').pathToFileURL(file).href);
  return module;
}

function contextOf(headers) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const client = headers['lambda-runtime-client-context'];
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    clientContext: client ? JSON.parse(client) : undefined,
    identity: undefined,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
  };
}

// Calls the handler. Without a promise its answer is what it gives to its callback, or null once nothing is left to do.
function call(handler, event, context) {
  return new Promise((resolve, reject) => {
    const settle = (act) => {
      process.removeListener('beforeExit', idle);
      act();
    };
    const idle = () => settle(() => resolve(null));
    const done = (error, value) => {
      const act = () => (error ? reject(error) : resolve(value));
      if (!context.callbackWaitsForEmptyEventLoop) return settle(act);
      process.removeListener('beforeExit', idle);
      process.once('beforeExit', act);
    };
    context.done = done;
    context.succeed = (value) => settle(() => resolve(value));
    context.fail = (error) => settle(() => reject(error === undefined ? 'handled' : error));
    process.once('beforeExit', idle);
    const returned = handler(event, context, done);
    if (returned && typeof returned.then === 'function') {
      returned.then((value) => settle(() => resolve(value)), (error) => settle(() => reject(error)));
    }
  });
}

async function work(handler) {
  requestId = undefined;
  const given = await request('GET', 'invocation/next');
  requestId = given.headers['lambda-runtime-aws-request-id'];
  if (requestId === undefined) process.exit(1);
  process.env._X_AMZN_TRACE_ID = given.headers['lambda-runtime-trace-id'] || '';
  let answer;
  try {
    const value = await call(handler, JSON.parse(given.body), contextOf(given.headers));
    try {
      answer = JSON.stringify(value === undefined ? null : value);
    } catch (error) {
      throw new Fault('Runtime.MarshalError', `Unable to stringify response body: ${error.message}`);
    }
    if (answer === undefined) answer = 'null';
  } catch (error) {
    const object = errorOf(error);
    log('Invoke Error ', object);
    await postError(`invocation/${requestId}/error`, object);
    return;
  }
  const { status } = await request('POST', `invocation/${requestId}/response`, answer, { 'Content-Type': 'application/json' });
  if (status === 413) console.error(`The response of ${Buffer.byteLength(answer)} bytes is too large`);
}

// What nobody caught ends the process; the event that was being worked on is told why.
async function crash(what, error) {
  const object = errorOf(error);
  log(what, object);
  try {
    await postError(requestId ? `invocation/${requestId}/error` : 'init/error', object);
  } finally {
    process.exit(129);
  }
}

async function main() {
  patchConsole();
  process.on('uncaughtException', (error) => crash('Uncaught Exception ', error));
  process.on('unhandledRejection', (reason) => {
    const fault = new Fault('Runtime.UnhandledPromiseRejection', reason && reason.message ? `${reason.name}: ${reason.message}` : String(reason));
    fault.stack = (reason && reason.stack) || fault.stack;
    crash('Unhandled Promise Rejection ', fault);
  });
  let handler;
  try {
    handler = await load(process.argv[2]);
  } catch (error) {
    const object = errorOf(error);
    log('Uncaught Exception ', object);
    await postError('init/error', object);
    process.exit(1);
  }
  for (;;) await work(handler);
}

main();
