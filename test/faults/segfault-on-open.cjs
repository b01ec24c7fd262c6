// Loaded into every thread of a process (NODE_OPTIONS=--require): opening a file of the name "segfault"
// ends the process as a fault in a native decoder does.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');

const { openSync } = fs;
fs.openSync = (path, ...rest) => {
  if (String(path).includes('segfault')) process.kill(process.pid, 'SIGSEGV');
  return openSync(path, ...rest);
};
syncBuiltinESMExports();
