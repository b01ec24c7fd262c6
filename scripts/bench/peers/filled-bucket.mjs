import { CLASSES, drawImage } from '../../../dist/demo/draw-images.js';
import { startS3Server } from '../../../test/s3/s3-server.mjs';

/** Different pictures; each is stored under many keys. */
const PICTURES = 120;
const AT_ONCE = 32;

/**
 * A local S3 server with a bucket `bench` of so many JPEGs of 100×100, and the environment that reaches it.
 * @param {number} count
 */
export async function startFilledBucket(count) {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const server = await startS3Server({ keepsAlive: true });
  if (server === undefined)
    throw new Error('Expected a local S3 server but neither Go nor Python gave one.');
  const { endpoint, credentials, stop } = server;
  const { S3Client, CreateBucketCommand, PutObjectCommand } = await import('@aws-sdk/client-s3');
  const s3 = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  const bodies = await drawJpegs();
  const put = (/** @type {number} */ n) => {
    const Key = `dataset/${CLASSES[n % CLASSES.length]}/${String(n).padStart(6, '0')}.jpg`;
    return s3.send(new PutObjectCommand({ Bucket: 'bench', Key, Body: bodies[n % PICTURES] }));
  };
  await s3.send(new CreateBucketCommand({ Bucket: 'bench' }));
  for (let i = 0; i < count; i += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - i) }, (_, j) => put(i + j));
    await Promise.all(batch);
  }
  s3.destroy();
  const env = {
    ...process.env,
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  return { endpoint, env, stop };
}

async function drawJpegs() {
  const { default: sharp } = await import('sharp');
  const jpegs = Array.from({ length: PICTURES }, (_, i) => {
    const sizes = { seed: i, minSize: 100, maxSize: 100 };
    const { data, width, height } = drawImage(CLASSES[i % CLASSES.length], sizes);
    const raw = { width, height, channels: /** @type {const} */ (3) };
    return sharp(Buffer.from(data), { raw }).jpeg({ quality: 95 }).toBuffer();
  });
  return Promise.all(jpegs);
}
