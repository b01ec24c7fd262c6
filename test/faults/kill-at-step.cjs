// Loaded into the real command (NODE_OPTIONS=--require): it kills itself right before or after its n-th step.
// A step is a rename on disk or a request that changes something in a store; "after" a request means that the
// store has answered and the command has not read the answer.
// KILL_AT=<n, 0 = never>:<before|after>, STEPS_TO=<file that gets one line a step>
const fs = require('node:fs/promises');
const http = require('node:http');
const { appendFileSync } = require('node:fs');
const { basename } = require('node:path');
const { syncBuiltinESMExports } = require('node:module');
const { isMainThread } = require('node:worker_threads');

const [n, moment] = (process.env.KILL_AT ?? '0:before').split(':');
const steps = process.env.STEPS_TO;
let left = Number(n);

/** Counts a step; true for the last one to be seen. */
function isLast(name) {
  if (steps !== undefined) appendFileSync(steps, `${name}\n`);
  left -= 1;
  if (left === 0 && moment === 'before') die();
  return left === 0;
}

function die() {
  process.kill(process.pid, 'SIGKILL');
}

// Only the command itself: its engine inherits the environment.
if (isMainThread && process.argv[1]?.endsWith('cli.js')) {
  const { rename } = fs;
  fs.rename = async (from, to) => {
    const isTheLast = isLast(`rename ${basename(to)}`);
    await rename(from, to);
    if (isTheLast) die();
  };
  const { request } = http;
  http.request = (...args) => {
    const { method = 'GET', path } = args.find((arg) => arg?.path !== undefined) ?? {};
    if (method === 'GET' || method === 'HEAD') return request(...args);
    const isTheLast = isLast(`${method} ${path}`);
    const sent = request(...args);
    if (isTheLast) sent.prependListener('response', die);
    return sent;
  };
  syncBuiltinESMExports();
}
