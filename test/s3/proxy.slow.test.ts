import { createServer, request as send } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { knowsProxies, proxyAdvice, proxyOptions } from '../../src/s3/s3-options.ts';
import { openS3Source } from '../../src/source/s3-source.ts';
import { skipIf } from '../skip-if.ts';
import { NO_STORE, openTestStore, testOptions } from './store.ts';

const never = new AbortController().signal;
const store = await openTestStore('images');
const isKnown = knowsProxies(process.versions.node);

afterEach(() => {
  for (const name of ['HTTP_PROXY', 'NO_PROXY']) delete process.env[name];
});

/** A proxy that leads every host to the store. */
async function startProxy() {
  const seen: string[] = [];
  const { port } = new URL(store!.endpoint);
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    const { pathname, search } = new URL(request.url!);
    const { method, headers } = request;
    const out = { host: '127.0.0.1', port, method, headers, path: pathname + search };
    request.pipe(
      send(out, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url, seen, close };
}

async function readAll(endpoint: string): Promise<string[]> {
  const source = openS3Source('s3://images/d', { originForm: 'path', s3: testOptions(endpoint) });
  const bodies: string[] = [];
  try {
    for await (const item of source.list(never)) {
      if (item.kind !== 'image') continue;
      bodies.push(Buffer.from(await source.read(item.entry, never)).toString());
    }
  } finally {
    await source.close?.();
  }
  return bodies;
}

test(
  'a store is listed and read through HTTP_PROXY, object by object',
  skipIf(
    store === undefined || !isKnown,
    store === undefined ? NO_STORE : 'this Node does not read HTTP_PROXY',
  ),
  async () => {
    for (const name of ['a', 'b', 'c']) await store!.put('images', `d/${name}.jpg`, name);
    const proxy = await startProxy();
    process.env.HTTP_PROXY = proxy.url;
    try {
      expect(await readAll('http://store.invalid')).toEqual(['a', 'b', 'c']);
      expect(proxy.seen.filter((line) => line.includes('/images/d/'))).toHaveLength(3);
    } finally {
      await proxy.close();
    }
  },
);

test(
  'a store on this machine is reached without it',
  skipIf(store === undefined, NO_STORE),
  async () => {
    await store!.put('images', 'd/a.jpg', 'a');
    process.env.HTTP_PROXY = 'http://127.0.0.1:9';
    expect((await readAll(store!.endpoint))[0]).toBe('a');
  },
);

test('a store that cannot be reached is explained with the proxy that is set', async () => {
  process.env.HTTP_PROXY = 'http://127.0.0.1:9';
  const s3 = testOptions('http://store.invalid', { patienceMs: 100 });
  const source = openS3Source('s3://images/d', { originForm: 'path', s3 });
  const listing = (async () => {
    for await (const _ of source.list(never));
  })();
  await expect(listing).rejects.toMatchObject({
    fix: expect.stringContaining(
      isKnown
        ? "HTTP_PROXY is set: check that proxy, or name the store's host in NO_PROXY."
        : `HTTP_PROXY is set, but Node.js ${process.versions.node} reaches stores without a proxy: use 22.21, 24.5 or newer.`,
    ),
  });
  await source.close?.();
});

test('what is said of proxies goes by the endpoint, the environment and the release', () => {
  const env = { https_proxy: 'http://proxy:3128' };
  expect(proxyAdvice(undefined, env, '24.5.0')).toContain('https_proxy is set: check that proxy');
  expect(proxyAdvice(undefined, env, '20.19.0')).toContain(
    'Node.js 20.19.0 reaches stores without',
  );
  expect(proxyAdvice('http://store:9000', env, '24.5.0')).toBe(undefined);
  expect(proxyAdvice('https://[::1]:9000', env, '24.5.0')).toBe(undefined);
  expect(proxyOptions('http://127.0.0.1:9000', env)).toEqual({});
  expect(proxyOptions('https://127.0.0.1.example.com', env)).toEqual({ proxyEnv: env });
  const releases = ['20.20.2', '22.20.0', '22.21.0', '23.11.0', '24.4.1', '24.5.0', '26.0.0'];
  expect(releases.filter(knowsProxies)).toEqual(['22.21.0', '24.5.0', '26.0.0']);
});
