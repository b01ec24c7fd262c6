// Loaded into every thread of a process (NODE_OPTIONS=--require): opening a file of the name "segfault", here or in
// native/jpeg, ends the process as a fault in a native decoder does.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

function fault() {
  process.kill(process.pid, 'SIGSEGV');
  // The signal goes to another thread; a thread that really faults does not go on either.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

const isFatal = (path) => String(path).includes('segfault');

const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  if (isFatal(path)) fault();
  return openSync(path, ...rest);
};
syncBuiltinESMExports();

const { dlopen } = process;
process.dlopen = (module, ...rest) => {
  dlopen(module, ...rest);
  const { decodeFiles } = module.exports;
  if (decodeFiles === undefined) return;
  module.exports.decodeFiles = (files, paths, listed, from, ...more) => {
    const end = paths.findIndex((path, i) => i >= from && isFatal(path));
    if (end === from) fault();
    return decodeFiles(files, end === -1 ? paths : paths.slice(0, end), listed, from, ...more);
  };
};
