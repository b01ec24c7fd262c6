// Loaded into the real command (NODE_OPTIONS=--require): it kills itself right before or after its n-th rename.
// KILL_AT=<n>:<before|after>
const fs = require('node:fs/promises');
const { syncBuiltinESMExports } = require('node:module');
const { isMainThread } = require('node:worker_threads');

const [n, moment] = (process.env.KILL_AT ?? '0:before').split(':');
let left = Number(n);
// Only the command itself: its engine inherits the environment.
if (isMainThread && process.argv[1]?.endsWith('cli.js')) {
  const { rename } = fs;
  fs.rename = async (...args) => {
    left -= 1;
    if (left === 0 && moment === 'before') process.kill(process.pid, 'SIGKILL');
    await rename(...args);
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
  syncBuiltinESMExports();
}
