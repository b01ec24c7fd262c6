import type { SinkFormat } from '../export/open-sinks.ts';

/**
 * Loads what writes the table (apache-arrow and parquet-wasm take 0.2 s to load): called when the
 * workers have begun to decode, it costs the run no time.
 */
export async function loadExport(formats: readonly SinkFormat[]) {
  const [{ exportTable }, { preloadSinks }] = await Promise.all([
    import('./export-table.ts'),
    import('../export/open-sinks.ts'),
  ]);
  await preloadSinks(formats);
  return exportTable;
}
