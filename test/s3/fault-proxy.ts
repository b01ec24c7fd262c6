import {
  type Agent,
  createServer,
  type IncomingMessage,
  Agent as NodeAgent,
  type ServerResponse,
  request as send,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What can go wrong between a client and a store. */
export type Fault =
  /** 503 SlowDown, as S3 asks for less. */
  | 'slowDown'
  /** 429, as other stores do. */
  | 'tooMany'
  /** 500 InternalError. */
  | 'internal'
  /** 307 to a place that is no better. */
  | 'redirect'
  /** The connection is reset before an answer. */
  | 'reset'
  /** The store did it, but its answer is lost. */
  | 'lostAnswer'
  /** Headers and half of the body, then the connection breaks. */
  | 'cut'
  /** Half of the body, passed off as the whole. */
  | 'short'
  /** Headers and half of the body, then nothing. */
  | 'stall'
  /** No answer at all. */
  | 'silence'
  /** One bit of the body that comes back is turned over. */
  | 'flip'
  /** One bit of the body that goes there is turned over. */
  | 'flipUpload';

export interface Seen {
  readonly method: string;
  readonly url: string;
  /** Requests so far, this one included, from 1. */
  readonly count: number;
  /** `bytes=0-511`, where a part is asked for. */
  readonly range: string | undefined;
}

export interface FaultProxy {
  readonly endpoint: string;
  /** Every fault that was done, in order. */
  readonly done: Fault[];
  /** Most requests that were open at once. */
  readonly mostOpen: number;
  close(): Promise<void>;
}

/** A proxy in front of a store that does what `plan` says to each request; undefined passes it on. */
export async function startFaultProxy(
  target: string,
  plan: (seen: Seen) => Fault | undefined,
  latencyMs = 0,
): Promise<FaultProxy> {
  const agent = new NodeAgent({ keepAlive: true, maxSockets: 128 });
  const done: Fault[] = [];
  let count = 0;
  let open = 0;
  let mostOpen = 0;
  const server = createServer((request, response) => {
    open++;
    mostOpen = Math.max(mostOpen, open);
    response.on('close', () => open--);
    const fault = plan({
      method: request.method!,
      url: request.url!,
      range: request.headers.range,
      count: ++count,
    });
    if (fault !== undefined) done.push(fault);
    delay(latencyMs)
      .then(() => handle(request, response, target, agent, fault))
      .catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    done,
    get mostOpen() {
      return mostOpen;
    },
    async close() {
      server.closeAllConnections();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  agent: Agent,
  fault: Fault | undefined,
): Promise<void> {
  const sent = await collect(request);
  if (fault === 'silence') return;
  if (fault === 'reset') return void response.destroy();
  const refusal = REFUSALS[fault ?? ''];
  if (refusal !== undefined) {
    const body = `<?xml version="1.0"?><Error><Code>${refusal.code}</Code><Message>On purpose.</Message></Error>`;
    response.writeHead(refusal.status, { 'content-type': 'application/xml', ...refusal.headers });
    return void response.end(body);
  }
  if (fault === 'flipUpload' && sent.length > 0) sent[sent.length >> 1]! ^= 0x10;
  const answer = await forward(request, sent, target, agent);
  if (fault === 'lostAnswer') return void response.destroy();
  const { headers, body } = answer;
  const half = body.subarray(0, body.length >> 1);
  if (fault === 'flip' && body.length > 0) body[body.length >> 1]! ^= 0x10;
  if (fault === 'short') headers['content-length'] = String(half.length);
  response.writeHead(answer.status, headers);
  if (fault === 'cut') response.write(half, () => response.destroy());
  else if (fault === 'stall') response.write(half);
  else response.end(fault === 'short' ? half : body);
}

const REFUSALS: Readonly<
  Record<string, { status: number; code: string; headers?: Record<string, string> }>
> = {
  slowDown: { status: 503, code: 'SlowDown' },
  tooMany: { status: 429, code: 'TooManyRequests' },
  internal: { status: 500, code: 'InternalError' },
  redirect: {
    status: 307,
    code: 'TemporaryRedirect',
    headers: { location: 'http://127.0.0.1:9/' },
  },
};

async function forward(
  { method, url, headers }: IncomingMessage,
  sent: Buffer,
  target: string,
  agent: Agent,
): Promise<{ status: number; headers: IncomingMessage['headers']; body: Buffer }> {
  const { hostname, port } = new URL(target);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const out = send({ hostname, port, method, path: url, headers, agent }, resolve);
    out.on('error', reject);
    out.end(sent);
  });
  const kept = { ...answer.headers };
  delete kept['transfer-encoding'];
  delete kept.connection;
  const body = await collect(answer);
  if (method !== 'HEAD') kept['content-length'] = String(body.length);
  return { status: answer.statusCode!, headers: kept, body };
}

async function collect(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
