import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A server that says what it is told to, for answers that a local store never gives. */
export async function startScriptedStore(
  answer: (method: string, url: string, headers: IncomingHttpHeaders) => Answer,
): Promise<{ endpoint: string; requests: string[]; close: () => Promise<void> }> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    request.resume();
    requests.push(`${request.method} ${request.url}`);
    const {
      status,
      body = '',
      headers = {},
    } = answer(request.method!, request.url!, request.headers);
    response.writeHead(status, { 'content-type': 'application/xml', ...headers });
    response.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function errorXml(code: string, message = 'Because.', more = ''): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>${message}</Message>${more}</Error>`;
}

/** One page of ListObjectsV2; keys are percent-encoded, as EncodingType=url asks. */
export function listXml(keys: readonly string[], more = ''): string {
  const contents = keys.map(
    (key) =>
      `<Contents><Key>${key.split('/').map(encodeURIComponent).join('/')}</Key><Size>3</Size>` +
      '<ETag>&quot;0cc175b9c0f1b6a831c399e269772661&quot;</ETag>' +
      '<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>',
  );
  return `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>bkt</Name><EncodingType>url</EncodingType><KeyCount>${keys.length}</KeyCount>${more || '<IsTruncated>false</IsTruncated>'}${contents.join('')}</ListBucketResult>`;
}
