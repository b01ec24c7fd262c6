/** Finished wheels wait here until their runtime is installed: a killed install goes on with them. */
import { rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimesDir } from '../cache-dir.ts';
import { type RuntimeRecipe, wheelFileName } from './wheels.ts';

export function downloadsDir(): string {
  return join(runtimesDir(), 'downloads');
}

export function downloadPaths(recipe: RuntimeRecipe): string[] {
  return recipe.wheels.map((wheel) => join(downloadsDir(), wheelFileName(wheel)));
}

/** The other kind's finished wheels may wait there for its next try. */
export async function removeDownloads(recipe: RuntimeRecipe): Promise<void> {
  await Promise.all(downloadPaths(recipe).map((path) => rm(path, { force: true })));
  await rmdir(downloadsDir()).catch(() => {}); // not empty
}
