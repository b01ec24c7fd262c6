// Loaded into every thread of a process (NODE_OPTIONS=--require): opening a file of the name "segfault"
// ends the process as a fault in a native decoder does.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  if (String(path).includes('segfault')) {
    process.kill(process.pid, 'SIGSEGV');
    // The signal goes to another thread; a thread that really faults does not go on either.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  }
  return openSync(path, ...rest);
};
syncBuiltinESMExports();
