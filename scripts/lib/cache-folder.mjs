import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** The same rule as src/runtime/cache-dir.ts; scripts run before anything is built. */
export function cacheFolder() {
  const { IMG2FEATURES_CACHE: own, XDG_CACHE_HOME: xdg, HOME: home } = process.env;
  if (own) return resolve(own);
  return join(xdg?.startsWith('/') ? xdg : join(home || homedir(), '.cache'), 'img2features');
}
