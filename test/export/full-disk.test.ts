import { rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ExportError } from '../../src/errors.ts';
import { featureColumns } from '../../src/export/column-names.ts';
import { buildRecordBatch, featureSchema } from '../../src/export/features-table.ts';
import { openSinks } from '../../src/export/formats.ts';
import type { FormatName } from '../../src/options/extract-options.ts';
import { FolderStore } from '../../src/storage/folder-store.ts';
import { skipIf } from '../skip-if.ts';
import { smallDisk } from '../small-disk.ts';
import { sampleRows } from './sample.ts';

// A disk that is really full: a file system of 1 MiB in memory, where the tests may mount one.
// Elsewhere folder-store.test.ts makes the system calls fail.
const disk = smallDisk('1m');

const schema = featureSchema(
  featureColumns('pixels', [{ layer: 'x', pool: 'none', length: 300 }], 0),
);

test.each<FormatName>(['parquet', 'json', 'csv', 'npy', 'feather'])(
  'leaves nothing that looks complete when the disk fills up while writing %s',
  skipIf(!disk.isMounted, 'a small disk cannot be mounted here'),
  async (format) => {
    const store = await FolderStore.open(join(disk.path, format));
    const sinks = await openSinks({ store, formats: [format], schema, metadata: {}, rows: 1e6 });
    const writing = (async () => {
      for (let part = 0; ; part++) {
        await sinks.beginPart(part);
        await sinks.write(buildRecordBatch(schema, sampleRows(500, 300, 0)));
        await sinks.endPart();
      }
    })();
    const error = await writing.catch((thrown) => thrown);
    await sinks.abort();
    expect(error).toBeInstanceOf(ExportError);
    expect(error.message).toMatch(
      new RegExp(
        `^Expected to write ${format}/.* to ${disk.path}/.* but found a full disk \\(ENOSPC\\)\\.$`,
      ),
    );
    const names = await readdir(join(disk.path, format, format));
    expect(names.filter((name) => name.startsWith('.'))).toEqual([]);
    // Whole parts from before may stay: they are what they say.
    expect(names.filter((name) => /^(features|vectors|index)/.test(name))).toEqual([]);
    rmSync(join(disk.path, format), { recursive: true });
  },
);

test(
  'says that a file system is read-only',
  skipIf(!disk.isMounted, 'a small disk cannot be mounted here'),
  async () => {
    const store = await FolderStore.open(join(disk.path, 'out'));
    disk.remount('ro');
    try {
      await expect(store.create('run.json')).rejects.toThrow(
        'found a read-only file system (EROFS)',
      );
      await expect(FolderStore.open(join(disk.path, 'new'))).rejects.toThrow(ExportError);
    } finally {
      disk.remount('rw');
    }
  },
);
