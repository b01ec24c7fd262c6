import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const module = new URL('../../scripts/lib/run-command.mjs', import.meta.url).href;

/** Starts a process that runs `script` by runCommand and exits with its status. */
function start(script: string) {
  const outer = `
    const { runCommand } = await import(${JSON.stringify(module)});
    process.exitCode = await runCommand(process.execPath, ['-e', ${JSON.stringify(script)}]);`;
  const cwd = fileURLToPath(new URL('.', import.meta.url));
  const args = ['--input-type=module', '-e', outer];
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  return { child, said: () => said };
}

test('the exit status passes through', async () => {
  const { child } = start('process.exitCode = 7');
  expect(await once(child, 'close')).toEqual([7, null]);
});

test('a command that a signal ended gives 128 and the number of the signal', async () => {
  const { child } = start('process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)');
  expect(await once(child, 'close')).toEqual([143, null]);
});

test.each([['SIGINT'], ['SIGTERM']] as const)(
  '%s arrives once, however often it is sent',
  async (signal) => {
    const { child, said } = start(`
    process.on('${signal}', () => { console.log('got it'); setTimeout(() => process.exit(130), 300); });
    console.log('ready');
    setInterval(() => {}, 1000);`);
    await once(child.stdout, 'data');
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill(signal);
    expect(await once(child, 'close')).toEqual([130, null]);
    expect(said()).toBe('ready\ngot it\n');
  },
);
