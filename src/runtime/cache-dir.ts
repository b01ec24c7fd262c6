import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { expectPath } from '../place.ts';

/**
 * The folder that holds what is downloaded or built once for this user, outside node_modules:
 * `IMG2FEATURES_CACHE`, else `XDG_CACHE_HOME/img2features`, else `~/.cache/img2features`.
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  if (env.IMG2FEATURES_CACHE) {
    return resolve(expectPath(env.IMG2FEATURES_CACHE, 'IMG2FEATURES_CACHE'));
  }
  // The XDG specification says to ignore a relative path here.
  const xdg = env.XDG_CACHE_HOME?.startsWith('/') ? env.XDG_CACHE_HOME : undefined;
  return xdg ? join(xdg, 'img2features') : join(env.HOME || homedir(), '.cache', 'img2features');
}

/** Where the TensorFlow runtimes are: one folder for each kind and platform. */
export function runtimesDir(env: NodeJS.ProcessEnv = process.env): string {
  return join(cacheDir(env), 'runtime');
}
