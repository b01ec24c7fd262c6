/**
 * `node test/s3/list-many-keys.mjs [keys]`: lists that many keys from a server that makes them up, freezes them in a
 * manifest, and prints the peak of memory above that of a process that has listed nothing. Needs a build.
 */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGE = 1000;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'child') await measureListing(String(process.argv[3]));
  else {
    const { images, seconds, megabytes } = await benchListing(Number(process.argv[2] ?? 1_000_000));
    console.log(
      `${images} keys in ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB over the baseline`,
    );
  }
}

/**
 * @param {number} count
 * @returns {Promise<{ images: number, seconds: number, megabytes: number }>}
 */
export async function benchListing(count) {
  const server = createServer((request, response) => {
    const query = new URL(String(request.url), 'http://localhost').searchParams;
    const from = Number(query.get('continuation-token') ?? 0);
    response.writeHead(200, { 'content-type': 'application/xml' });
    response.end(pageXml(from, Math.min(count, from + PAGE), count));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (server.address());
  const child = spawn(
    process.execPath,
    [fileURLToPath(import.meta.url), 'child', `http://127.0.0.1:${address.port}`],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    },
  );
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  server.closeAllConnections();
  server.close();
  if (status !== 0) throw new Error(`Expected the listing to end but found status ${status}.`);
  return JSON.parse(said);
}

/**
 * @param {number} from
 * @param {number} to
 * @param {number} count
 */
function pageXml(from, to, count) {
  let contents = '';
  for (let i = from; i < to; i++) {
    const name = String(i).padStart(9, '0');
    const etag = (BigInt(i + 1) * 0x9e3779b97f4a7c15f39cc0605cedc835n)
      .toString(16)
      .slice(-32)
      .padStart(32, '0');
    contents += `<Contents><Key>dataset/class-${String(Math.floor(i / 5000)).padStart(4, '0')}/image_${name}_100.jpg</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;${etag}&quot;</ETag><Size>${4000 + (i % 977)}</Size><StorageClass>STANDARD</StorageClass></Contents>`;
  }
  const more = to < count ? `<NextContinuationToken>${to}</NextContinuationToken>` : '';
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bench</Name><Prefix>dataset/</Prefix><EncodingType>url</EncodingType><MaxKeys>${PAGE}</MaxKeys><KeyCount>${to - from}</KeyCount><IsTruncated>${to < count}</IsTruncated>${more}${contents}</ListBucketResult>`;
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
