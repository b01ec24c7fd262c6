/**
 * A process that reads damaged bytes for `damaged-files.test.ts`: a hang, a crash and its memory are its own.
 * One message is one job; the answer says how it ended. Built code only, as users run it.
 */
import { Readable, Writable } from 'node:stream';
import { runCommandLine } from '../../dist/commands/run-command-line.js';
import { resolveOptions } from '../../dist/options/resolve-options.js';
import { readReducerFile } from '../../dist/reduce/reducer-file.js';
import { ByteReader } from '../../dist/storage/byte-streams.js';
import { openRows } from '../../dist/worker/read-rows.js';
import { serve } from '../../dist/worker/serve.js';

const JOBS = {
  /** One command line. */
  async command({ argv }) {
    let said = '';
    const add = (text) => {
      said += text;
    };
    const now = () => performance.now();
    const terminal = { isTerminal: false, columns: 80, stdout: add, stderr: add, now };
    const { signal } = new AbortController();
    const status = await runCommandLine({ argv, env: process.env, signal, terminal });
    return { status, said };
  },
  /** The rows of a worker's stream, unread by a decoder. */
  async rows({ bytes }) {
    const reader = new ByteReader(Readable.from([bytes]));
    let rows = 0;
    for (let batches = await openRows(reader); batches; batches = await openRows(reader)) {
      for await (const batch of batches) {
        for (let row = 0; row < batch.rows; row++) {
          batch.origin(row);
          batch.content(row);
          rows++;
        }
      }
    }
    return { rows };
  },
  /** The whole worker. */
  async worker({ bytes }) {
    const output = new Writable({ write: (_, __, done) => done() });
    const events = [];
    const { signal } = new AbortController();
    await serve({
      options: resolveOptions({ input: '-', out: '-', mode: 'pixels', k: 0, workers: 1 }),
      input: Readable.from([bytes]),
      output,
      journalDir: undefined,
      signal,
      onEvent: (event) => events.push(event),
    });
    const sum = (name) => events.reduce((total, event) => total + (event[name] ?? 0), 0);
    return { received: sum('received'), sent: sum('sent') };
  },
  async reducer({ bytes }) {
    return { outputs: readReducerFile(bytes).size };
  },
};

process.on('message', async ({ job, ...given }) => {
  const start = performance.now();
  let answer;
  try {
    answer = await JOBS[job](given);
  } catch (error) {
    answer = { tag: error?.tag, error: error?.stack ?? String(error) };
  }
  const mebibytes = process.resourceUsage().maxRSS >> 10;
  process.send({ ...answer, ms: performance.now() - start, mebibytes });
});
