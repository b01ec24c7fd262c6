import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DownloadOptions, download } from '../../src/convert/fetch/download.ts';

/** 300,000 bytes that say where they are. */
const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 8));
const MD5 = createHash('md5').update(CONTENT).digest('hex');

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let dir: string;
let path: string;
let servers: Server[];
/** Range headers in the order of the requests. */
let ranges: (string | undefined)[];
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'img2features-download-'));
  path = join(dir, 'weights', 'file.h5');
  servers = [];
  ranges = [];
});
afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await rm(dir, { recursive: true, force: true });
});

/** Answers one request after the other; the last answer serves all further ones. */
async function serve(...answers: Answer[]): Promise<string> {
  let count = 0;
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answers[Math.min(count++, answers.length - 1)]!(request, response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/file.h5`;
}

/** A well-behaved server: ETag, ranges, If-Range. */
function file(
  content: Buffer = CONTENT,
  etag = '"one"',
  headers: Record<string, string> = {},
): Answer {
  return (request, response) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const start = range && request.headers['if-range'] === etag ? Number(range[1]) : 0;
    if (start > 0) {
      response.writeHead(206, {
        etag,
        'content-length': content.length - start,
        'content-range': `bytes ${start}-${content.length - 1}/${content.length}`,
      });
    } else response.writeHead(200, { etag, 'content-length': content.length, ...headers });
    response.end(content.subarray(start));
  };
}

/** Sends the beginning, then cuts the connection. */
function cutAfter(bytes: number): Answer {
  return (_request, response) => {
    response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, bytes), () => setTimeout(() => response.destroy(), 20));
  };
}

async function expectContent(expected: Buffer = CONTENT): Promise<void> {
  expect((await readFile(path)).equals(expected)).toBe(true);
}

function fetchIt(url: string, options: Partial<DownloadOptions> = {}) {
  return download({ url, path, md5: MD5, retries: 2, backoffMs: 5, ...options });
}

test('downloads a file, tells its progress and checks its MD5', async () => {
  const seen: [number, number | undefined][] = [];
  const result = await fetchIt(await serve(file()), {
    onProgress: (done, total) => seen.push([done, total]),
  });
  expect(result).toEqual({ bytes: 300_000, md5: MD5, checkedBy: 'published MD5' });
  await expectContent();
  expect(seen.at(-1)).toEqual([300_000, 300_000]);
});

test('continues a cut connection where it stopped', async () => {
  const reasons: string[] = [];
  await fetchIt(await serve(cutAfter(100_000), file()), { onRetry: (why) => reasons.push(why) });
  await expectContent();
  expect(ranges).toEqual([undefined, 'bytes=100000-']);
  expect(reasons).toHaveLength(1);
});

test('continues in a later run what an earlier one left', async () => {
  const url = await serve(cutAfter(100_000), cutAfter(0), cutAfter(0), cutAfter(0), file());
  await expect(fetchIt(url, { retries: 0 })).rejects.toThrow('after one try');
  expect((await stat(`${path}.part`)).size).toBe(100_000);
  await fetchIt(url, { retries: 9 });
  await expectContent();
});

test('starts over when the server has another file by now', async () => {
  const other = Buffer.alloc(1000, 7);
  const md5 = createHash('md5').update(other).digest('hex');
  await fetchIt(await serve(cutAfter(100_000), file(other, '"two"')), { md5 });
  await expectContent(other);
});

test('starts over when what was left is damaged', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length });
    response.write(Buffer.alloc(100_000), () => setTimeout(() => response.destroy(), 20));
  }, file());
  await fetchIt(url);
  await expectContent();
  expect(ranges).toEqual([undefined, 'bytes=100000-', undefined]);
});

test('counts only tries that brought nothing', async () => {
  const parts = [50_000, 100_000, 150_000, 200_000].map(
    (end): Answer =>
      (request, response) => {
        const start = Number(/\d+/.exec(request.headers.range ?? 'bytes=0-')![0]);
        response.writeHead(start === 0 ? 200 : 206, {
          etag: '"one"',
          'content-length': CONTENT.length - start,
          ...(start > 0 && {
            'content-range': `bytes ${start}-${CONTENT.length - 1}/${CONTENT.length}`,
          }),
        });
        response.write(CONTENT.subarray(start, end), () =>
          setTimeout(() => response.destroy(), 20),
        );
      },
  );
  await fetchIt(await serve(...parts, file()), { retries: 1 });
  await expectContent();
});

test('a file with another MD5 is refused and not kept', async () => {
  const url = await serve(file());
  await expect(fetchIt(url, { md5: '0'.repeat(32) })).rejects.toThrow(
    `Expected MD5 ${'0'.repeat(32)} for ${url} but found MD5 ${MD5}.`,
  );
  await expect(stat(path)).rejects.toThrow('ENOENT');
  await expect(stat(`${path}.part`)).rejects.toThrow('ENOENT');
});

test('without a published MD5 the one that the server sends counts', async () => {
  const hash = (content: string) => ({
    'x-goog-hash': `crc32c=AAAAAA==,md5=${createHash('md5').update(content).digest('base64')}`,
  });
  const url = await serve(file(CONTENT, '"one"', hash('something else')));
  await expect(fetchIt(url, { md5: undefined })).rejects.toThrow('Expected MD5');
  const right = createHash('md5').update(CONTENT).digest('base64');
  const good = await serve(file(CONTENT, '"one"', { 'x-goog-hash': `md5=${right}` }));
  expect(await fetchIt(good, { md5: undefined })).toMatchObject({
    checkedBy: 'MD5 from the server',
  });
});

test('a file of another length is refused', async () => {
  const url = await serve(file());
  await expect(fetchIt(url, { md5: undefined, bytes: 5 })).rejects.toThrow(
    `Expected 5 bytes for ${url} but found 300000 bytes.`,
  );
});

test('404 is an answer: it is not asked again', async () => {
  const url = await serve((_request, response) => response.writeHead(404).end('no'));
  await expect(fetchIt(url)).rejects.toThrow(`Expected the file at ${url} but found status 404.`);
  expect(ranges).toHaveLength(1);
});

test('503 is asked again', async () => {
  const url = await serve(
    (_request, response) => response.writeHead(503, { 'retry-after': '0' }).end(),
    file(),
  );
  await fetchIt(url);
  expect(ranges).toHaveLength(2);
});

test('a server that stays silent ends in an error', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 1000));
  });
  const started = performance.now();
  await expect(fetchIt(url, { stallTimeoutMs: 200, retries: 0 })).rejects.toThrow('Body Timeout');
  expect(performance.now() - started).toBeLessThan(10_000);
});

test('no network: the error names the proxy, the mirror and the way without', async () => {
  const url = await serve(file());
  servers[0]!.close();
  servers[0]!.closeAllConnections();
  const error = await fetchIt(url).catch((caught) => caught);
  expect(error.message).toMatch(
    /^Expected the file at http.* but found, after 3 tries: .*ECONNREFUSED/,
  );
  expect(error.fix).toMatch(/HTTPS_PROXY.*--mirror.*model convert/);
});

test('an abort ends it at once and keeps what there is', async () => {
  const stop = new AbortController();
  const url = await serve((_request, response) => {
    response.writeHead(200, { etag: '"one"', 'content-length': CONTENT.length });
    response.write(CONTENT.subarray(0, 1000));
  });
  const running = fetchIt(url, { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(running).rejects.toThrow('aborted');
  expect((await stat(`${path}.part`)).size).toBeGreaterThan(0);
});

test('redirects are followed and told; user and password stay with the server they are for', async () => {
  const sent: (string | undefined)[] = [];
  const note =
    (answer: Answer): Answer =>
    (request, response) => {
      sent.push(request.headers.authorization);
      answer(request, response);
    };
  const target = await serve(note(file()));
  const url = await serve(
    note((_request, response) => response.writeHead(302, { location: target }).end()),
  );
  const told: string[] = [];
  await fetchIt(url, {
    credentials: { user: 'me', password: 'se:cret' },
    onRedirect: (origin) => told.push(origin),
  });
  await expectContent();
  const basic = `Basic ${Buffer.from('me:se:cret').toString('base64')}`;
  expect(sent).toEqual([basic, undefined]);
  expect(told).toEqual([new URL(target).origin]);
});

test('a redirect on the same server is not worth a word, and keeps user and password', async () => {
  const sent: (string | undefined)[] = [];
  const url = await serve((request, response) => {
    sent.push(request.headers.authorization);
    if (request.url === '/real.h5') file()(request, response);
    else response.writeHead(302, { location: '/real.h5' }).end();
  });
  const told: string[] = [];
  const credentials = { user: 'me', password: 'x' };
  await fetchIt(url, { credentials, onRedirect: (origin) => told.push(origin) });
  expect([sent.length, sent[0] === sent[1], told]).toEqual([2, true, []]);
});

test('a pinned SHA-256 counts before all else', async () => {
  const url = await serve(file());
  const sha256 = createHash('sha256').update(CONTENT).digest('hex');
  expect(await fetchIt(url, { md5: MD5, sha256 })).toMatchObject({ checkedBy: 'pinned SHA-256' });
  await expect(fetchIt(url, { md5: MD5, sha256: '00' })).rejects.toThrow(
    `Expected SHA-256 00 for ${url} but found SHA-256 ${sha256}.`,
  );
});

test('the proxy of the environment is used, and NO_PROXY honoured', async () => {
  const target = new URL(await serve(file()));
  const asked: string[] = [];
  const proxy = createServer((request, response) => {
    asked.push(request.url!);
    httpRequest({ port: target.port, path: '/file.h5', headers: request.headers }, (inner) => {
      response.writeHead(inner.statusCode!, inner.headers);
      inner.pipe(response);
    }).end();
  });
  proxy.on('connect', (request, socket) => {
    asked.push(request.url!);
    const tunnel = connect(Number(target.port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      tunnel.pipe(socket).pipe(tunnel);
    });
    for (const end of [tunnel, socket]) end.on('error', () => tunnel.destroy());
  });
  servers.push(proxy);
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  // A name that only the proxy could resolve.
  const url = `http://weights.invalid:${target.port}/file.h5`;
  const before = { ...process.env };
  try {
    process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    process.env.no_proxy = '';
    await fetchIt(url);
    await expectContent();
    expect(asked).toHaveLength(1);
    process.env.no_proxy = 'weights.invalid';
    await expect(fetchIt(url, { retries: 0 })).rejects.toThrow('after one try');
    expect(asked).toHaveLength(1);
  } finally {
    process.env = before;
  }
});
