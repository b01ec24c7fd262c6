// Loaded into the real command (NODE_OPTIONS=--require): it kills itself right before or after its n-th step.
// A step is a rename on disk or a request that changes something in a store; "after" a request means that the
// store has answered and the command has not read the answer.
// KILL_AT=<n, 0 = never>:<before|after|engine>, STEPS_TO=<file that gets one line a step>
// "engine": an engine process kills itself in its n-th batch, warm-up included.
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
if (moment !== 'engine' && isMainThread && /cli\.m?js$/.test(process.argv[1])) {
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

if (moment === 'engine' && isMainThread && process.argv[1]?.endsWith('child.js')) {
  const { dlopen } = process;
  process.dlopen = (module, file, ...rest) => {
    dlopen.call(process, module, file, ...rest);
    if (!file.endsWith('tfjs_binding.node')) return;
    const real = module.exports;
    const runSavedModel = (...args) => {
      left -= 1;
      if (left === 0) die();
      return real.runSavedModel(...args);
    };
    module.exports = new Proxy(
      {},
      { get: (_, key) => (key === 'runSavedModel' ? runSavedModel : real[key]) },
    );
  };
}
