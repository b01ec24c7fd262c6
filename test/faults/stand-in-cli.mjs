// The built command on a machine with two stand-ins of GPUs: TensorFlow's CPU library, which says that it computes on one.
// Its modules are those of dist/, not the bundle: one of them is another here.
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';

const found = `
  import { locateRuntime as locate } from './locate-runtime.js?real';
  export * from './locate-runtime.js?real';
  export async function locateRuntime() {
    const devices = ['Stand-in X', 'Stand-in X'];
    const driver = { present: true, version: '550.1', devices, detail: 'two stand-ins' };
    const found = await locate();
    return { ...found, gpu: found.cpu, driver };
  }`;
const hooks = `
  export async function load(url, context, next) {
    if (!url.endsWith('/dist/runtime/locate-runtime.js')) return next(url, context);
    return { format: 'module', source: ${JSON.stringify(found)}, shortCircuit: true };
  }`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const dist = fileURLToPath(new URL('../../dist', import.meta.url));
const { runCommandLine } = await import(`${dist}/commands/run-command-line.js`);
process.exitCode = await runCommandLine({
  argv: process.argv.slice(2),
  env: process.env,
  signal: new AbortController().signal,
  terminal: {
    isTerminal: false,
    columns: 80,
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    now: () => performance.now(),
  },
});
