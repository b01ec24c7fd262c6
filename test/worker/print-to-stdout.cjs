// Loaded into every process (NODE_OPTIONS=--require): prints as libraries do, through Node and past it.
const fs = require('node:fs');

const script = process.argv[1] ?? '';
if (script.endsWith('engine/child.js')) {
  fs.writeSync(1, 'TensorFlow prints\n');
} else if (script.endsWith('serving-child.js')) {
  process.stdout.write('a library prints\n');
  // biome-ignore lint/suspicious/noConsole: that is what is tested
  console.log('and logs');
  fs.writeSync(1, 'and writes to file descriptor 1 itself\n');
  fs.writeSync(2, 'and to 2\n');
}
