import { type Dispatcher, EnvHttpProxyAgent, interceptors } from 'undici';

export interface HttpClientOptions {
  /** Longest time for the connection and for the first answer, milliseconds. */
  readonly connectTimeoutMs: number;
  /** Longest time without a byte, milliseconds. */
  readonly stallTimeoutMs: number;
}

/**
 * Connections that honour HTTP_PROXY, HTTPS_PROXY and NO_PROXY (either case), which Node's own fetch
 * does not before Node 24, and follow redirects, which mirrors use. Close the agent at the end.
 */
export function createHttpClient(options: HttpClientOptions): {
  dispatcher: Dispatcher;
  close(): Promise<void>;
} {
  const agent = new EnvHttpProxyAgent({
    connect: { timeout: options.connectTimeoutMs },
    connectTimeout: options.connectTimeoutMs,
    headersTimeout: options.connectTimeoutMs,
    bodyTimeout: options.stallTimeoutMs,
  });
  return {
    dispatcher: agent.compose(interceptors.redirect({ maxRedirections: 5 })),
    close: () => agent.destroy(),
  };
}
