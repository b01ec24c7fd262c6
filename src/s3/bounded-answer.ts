import type { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import { show } from '../json.ts';

/** A page of a thousand keys of the longest kind, percent-encoded, is 4 MB. */
const MAX_BYTES = 16 * 1024 * 1024;

/** What answers is no S3 store, even where its status is a success. */
export class NotS3 extends Error {
  override readonly name = 'NotS3';
}

interface Response {
  readonly statusCode: number;
  body?: Readable | Uint8Array;
}

/**
 * Makes the client check answers before it reads XML from them: one that does not end is cut, and a list of objects
 * must be one. The SDK takes any other document for a list without entries.
 */
export function boundAnswers(client: S3Client): void {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        const result = await next(args);
        const response = result.response as Response;
        const isDone = response.statusCode >= 200 && response.statusCode < 300;
        // The body of an object is read by us, under its own bounds.
        if ((commandName === 'GetObjectCommand' && isDone) || response.body === undefined)
          return result;
        const body = await readBody(response.body);
        if (isDone && commandName === 'ListObjectsV2Command') expectList(body);
        response.body = body;
        return result;
      },
    { step: 'deserialize', priority: 'low', name: 'boundAnswers' },
  );
}

async function readBody(body: Readable | Uint8Array): Promise<Buffer> {
  if (body instanceof Uint8Array) return Buffer.from(body);
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.length;
    if (bytes > MAX_BYTES) {
      body.destroy();
      throw new NotS3(`an answer of more than ${MAX_BYTES} bytes`);
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** An XML declaration may come first, nothing else: a document type could name entities. */
function expectList(body: Buffer): void {
  const head = body.toString('latin1', 0, 1000);
  if (/^\s*(<\?xml[^>]*\?>\s*)?<ListBucketResult[\s>]/.test(head)) return;
  // Asked again: a proxy failed.
  if (head.trim() === '') throw new Error('an empty answer');
  throw new NotS3(`${show(head.trim().slice(0, 60))} in place of a list`);
}
