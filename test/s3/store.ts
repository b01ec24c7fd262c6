import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { S3Options } from '../../src/s3/s3-options.ts';
import { loadScript } from '../scripts/load-script.ts';

const { startS3Server } = await loadScript('../test/s3/s3-server.mjs');

/** A store with two buckets for one test file, and the environment that leads to it. */
export interface TestStore {
  readonly kind: 'versitygw' | 'moto';
  readonly endpoint: string;
  readonly client: S3Client;
  put(bucket: string, key: string, body: Uint8Array | string): Promise<void>;
  /** Everything visible below a prefix. */
  keys(bucket: string, prefix?: string): Promise<string[]>;
  uploads(bucket: string): Promise<string[]>;
  stop(): Promise<void>;
}

export const NO_STORE = 'neither Go nor Python can give an S3 server here';

/** @returns undefined where this machine can have no S3 server */
export async function openTestStore(...buckets: string[]): Promise<TestStore | undefined> {
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = 'true';
  const server = await startS3Server();
  if (server === undefined) return undefined;
  const { endpoint, credentials } = server;
  const empty = mkdtempSync(join(tmpdir(), 'img2features-no-aws-'));
  // Nothing of the user's own: neither keys nor profiles nor a metadata service.
  for (const name of Object.keys(process.env)) {
    if (name.startsWith('AWS_') && !name.startsWith('AWS_SDK')) delete process.env[name];
  }
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    AWS_CONFIG_FILE: join(empty, 'config'),
    AWS_SHARED_CREDENTIALS_FILE: join(empty, 'credentials'),
    AWS_EC2_METADATA_DISABLED: 'true',
  });
  const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
  for (const Bucket of buckets) await client.send(new CreateBucketCommand({ Bucket }));
  return {
    kind: server.kind,
    endpoint,
    client,
    async put(Bucket, Key, Body) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    async keys(Bucket, Prefix = '') {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
      return Contents.map(({ Key }) => Key!);
    },
    async uploads(Bucket) {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }));
      return Uploads.map(({ Key }) => Key!);
    },
    async stop() {
      client.destroy();
      await server.stop();
      rmSync(empty, { recursive: true, force: true });
    },
  };
}

/** Options for a store that answers at `endpoint`, impatient as tests are. */
export function testOptions(endpoint: string, more: Partial<S3Options> = {}): S3Options {
  return {
    endpoint,
    pathStyle: undefined,
    region: undefined,
    profile: undefined,
    requesterPays: false,
    timeoutMs: 700,
    patienceMs: 20_000,
    ...more,
  };
}
