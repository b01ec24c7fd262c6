/**
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY. Node's own agents follow them where the option asks for it, from 22.21 and 24.5 on;
 * older releases ignore the option.
 */
import type { AgentOptions } from 'node:http';

type ProxyOptions = AgentOptions & { readonly proxyEnv?: NodeJS.ProcessEnv };

/** What an agent needs to reach a store. A store on this machine is always reached directly. */
export function proxyOptions(
  endpoint: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): ProxyOptions {
  return isLoopback(endpoint) ? {} : { proxyEnv: env };
}

/** What to say of a proxy when a store cannot be reached; undefined where none is asked for. */
export function proxyAdvice(
  endpoint: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
  node: string = process.versions.node,
): string | undefined {
  if (isLoopback(endpoint)) return undefined;
  const name = endpoint?.startsWith('http:') ? 'HTTP_PROXY' : 'HTTPS_PROXY';
  const found = [name, name.toLowerCase()].find((variable) => env[variable]);
  if (found === undefined) return undefined;
  return knowsProxies(node)
    ? `${found} is set: check that proxy, or name the store's host in NO_PROXY.`
    : `${found} is set, but Node.js ${node} reaches stores without a proxy: use 22.21, 24.5 or newer.`;
}

/** Whether this release of Node.js sends an agent's requests through a proxy. */
export function knowsProxies(node: string): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  if (major === 22) return minor >= 21;
  return major === 24 ? minor >= 5 : major > 24;
}

function isLoopback(endpoint: string | undefined): boolean {
  if (endpoint === undefined || !URL.canParse(endpoint)) return false;
  const { hostname } = new URL(endpoint);
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
