/**
 * `node test/s3/list-many-keys.mjs [keys] [ms]`: lists that many keys from a server that makes them up and answers after so many milliseconds, freezes them in a
 * manifest, and prints the peak of memory above that of a process that has listed nothing. Needs a build.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE = 1000;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'child') await measureListing(String(process.argv[3]));
  else {
    const [count, delayMs] = [Number(process.argv[2] ?? 1_000_000), Number(process.argv[3] ?? 0)];
    const { images, seconds, megabytes, requests } = await benchListing(count, { delayMs });
    console.log(
      `${images} keys in ${seconds.toFixed(1)} s by ${requests} requests, ${megabytes.toFixed(0)} MB over the baseline`,
    );
  }
}

/**
 * @param {number} count
 * @param {{ delayMs?: number }} [options]
 * @returns {Promise<{ images: number, seconds: number, megabytes: number, requests: number }>}
 */
export async function benchListing(count, { delayMs = 0 } = {}) {
  const store = await startManyKeys(count, { delayMs });
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'child', store.endpoint], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  store.stop();
  if (status !== 0) throw new Error(`Expected the listing to end but found status ${status}.`);
  return { ...JSON.parse(said), requests: store.requests() };
}

/**
 * A store that lists keys which it makes up, and gives no objects.
 * @param {number} count
 * @param {{ delayMs?: number, perFolder?: number }} [options] delayMs: before each answer; perFolder: keys in a folder
 */
export async function startManyKeys(count, { delayMs = 0, perFolder = 5000 } = {}) {
  let [requests, open, most] = [0, 0, 0];
  const server = createServer((request, response) => {
    requests++;
    most = Math.max(most, ++open);
    response.on('close', () => open--);
    const query = new URL(String(request.url), 'http://localhost').searchParams;
    response.writeHead(200, { 'content-type': 'application/xml' });
    const page = pageOf(query, count, perFolder);
    if (delayMs === 0) response.end(page);
    else setTimeout(() => response.end(page), delayMs);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  const endpoint = `http://127.0.0.1:${port}`;
  return { endpoint, stop, requests: () => requests, mostAtOnce: () => most };
}

/**
 * @param {URLSearchParams} query
 * @param {number} count
 * @param {number} perFolder
 */
function pageOf(query, count, perFolder) {
  const folderOf = (/** @type {number} */ i) =>
    `dataset/class-${String(Math.floor(i / perFolder)).padStart(4, '0')}/`;
  const keyOf = (/** @type {number} */ i) =>
    `${folderOf(i)}image_${String(i).padStart(9, '0')}_100.jpg`;
  /** The first key that is, or comes after, a text. @param {string} text */
  const find = (text) => {
    let [low, high] = [0, count];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (keyOf(middle) < text) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  const prefix = query.get('prefix') ?? '';
  const from = Number(
    query.get('continuation-token') ?? find(`${query.get('start-after') ?? ''}\0`),
  );
  const first = Math.max(from, find(prefix));
  const end = Math.min(count, find(`${prefix}\uffff`));
  const isDelimited = query.get('delimiter') === '/';
  let [body, entries, at] = ['', 0, first];
  while (at < end && entries < PAGE) {
    const below = isDelimited ? folderOf(at) : prefix;
    if (below.length > prefix.length) {
      body += `<CommonPrefixes><Prefix>${below}</Prefix></CommonPrefixes>`;
      at = (Math.floor(at / perFolder) + 1) * perFolder;
    } else body += contentXml(keyOf(at), at++);
    entries++;
  }
  const isCut = at < end;
  const more = isCut ? `<NextContinuationToken>${at}</NextContinuationToken>` : '';
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bench</Name><Prefix>${prefix}</Prefix><EncodingType>url</EncodingType><MaxKeys>${PAGE}</MaxKeys><KeyCount>${entries}</KeyCount><IsTruncated>${isCut}</IsTruncated>${more}${body}</ListBucketResult>`;
}

/**
 * @param {string} key
 * @param {number} i
 */
function contentXml(key, i) {
  const etag = (BigInt(i + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n)
    .toString(16)
    .slice(-32)
    .padStart(32, '0');
  return `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${4000 + (i % 977)}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
}

/** @param {string} endpoint */
async function measureListing(endpoint) {
  const dist = (/** @type {string} */ path) => new URL(`../../dist/${path}`, import.meta.url).href;
  const { openSource } = await import(dist('source/open-source.js'));
  const { listImages } = await import(dist('pipeline/list-images.js'));
  const baseline = process.memoryUsage().rss;
  const start = performance.now();
  const s3 = { endpoint, requesterPays: false, timeoutMs: 60_000, patienceMs: 60_000 };
  const source = openSource('s3://bench/dataset', { originForm: 'path', s3 });
  const manifest = await listImages(source, { signal: new AbortController().signal });
  const seconds = (performance.now() - start) / 1000;
  const megabytes = (process.resourceUsage().maxRSS * 1024 - baseline) / 1e6;
  process.stdout.write(JSON.stringify({ images: manifest.count, seconds, megabytes }));
}
