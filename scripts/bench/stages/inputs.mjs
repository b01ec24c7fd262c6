import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Binary, Field, Struct, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow';
import { Table as WasmTable, WriterPropertiesBuilder, writeParquet } from 'parquet-wasm';
import { imagesOf, linkMany } from '../lib/dataset.mjs';
import { inTurn, spread, timedProcess } from '../lib/measure.mjs';

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));
const IMAGES = 10_000;
const TARS = 10;
/** Rows of a group, as Hugging Face's `datasets` writes them. */
const GROUP_ROWS = 100;

/**
 * The pixels of the same 10,000 images out of a folder, archives and Parquet files: whole processes in turn, to equal tables.
 * @param {{ repeat: number, dataset: string, scratch: string }} options
 */
export async function* inputs({ repeat, dataset, scratch }) {
  const dir = join(scratch, 'inputs');
  const folder = join(dir, 'folder');
  linkMany(dataset, IMAGES, folder, /\.jpe?g$/i);
  const ways = [{ what: 'a folder', input: folder }, ...writeInputs(dir, folder)];
  const found = await inTurn(ways, repeat + 1, ({ what, input }) => runOnce(what, input));
  // The first round warms the disk's cache, and unpacks the tar.gz as the others do.
  const rounds = found.map((runs) => runs.slice(1));
  for (const [i, { what }] of ways.entries()) {
    const row = (name, unit, figures) => ({
      stage: 'inputs',
      what: `${IMAGES} images in ${what}: ${name}`,
      unit,
      ...spread(figures),
    });
    const seconds = rounds[i].map((run) => run.seconds);
    yield row(
      'whole process',
      'images/s',
      seconds.map((one) => IMAGES / one),
    );
    if (i === 0) continue;
    const shares = rounds[i].map((run, round) => (100 * rounds[0][round].seconds) / run.seconds);
    yield row("of the folder's rate", '%', shares);
    const [vectors, expected] = [rounds[i][0].vectors, rounds[0][0].vectors];
    if (vectors !== expected)
      throw new Error(`Expected the folder's vectors of ${what} but found others.`);
  }

  async function runOnce(what, input) {
    const out = join(dir, 'out');
    const options = '--mode pixels --format npy --no-report --overwrite --quiet'.split(' ');
    const env = { ...process.env, IMG2FEATURES_CACHE: join(dir, 'cache') };
    const args = [CLI, input, ...options, '--out', out];
    const { seconds } = await timedProcess(process.execPath, args, env);
    const { counts, files } = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8'));
    if (counts.extracted !== IMAGES)
      throw new Error(`Expected ${IMAGES} rows of ${what} but found ${counts.extracted}.`);
    const vectors = files.find(({ name }) => name === 'npy/vectors.npy').sha256;
    return { seconds, vectors };
  }
}

/** The images of a folder in other forms, whose rows have the order of the folder's. @param {string} dir @param {string} folder */
function writeInputs(dir, folder) {
  const names = imagesOf(folder).map((path) => relative(folder, path));
  const tar = (name, some) => {
    const path = join(dir, name);
    // The images may be hard links to fewer files.
    const args = ['--hard-dereference', '-cf', path, '-C', folder, '-T', '-'];
    execFileSync('tar', args, {
      input: some.join('\n'),
    });
    return path;
  };
  const share = Math.ceil(names.length / TARS);
  for (let i = 0; i < TARS; i++) tar(`train-${i}.tar`, names.slice(i * share, (i + 1) * share));
  execFileSync('gzip', ['-1', tar('all.tar', names)]);
  const zip = join(dir, 'all.zip');
  execFileSync('python3', ['-m', 'zipfile', '-c', zip, folder]);
  const parquet = join(dir, 'train.parquet');
  writeFileSync(parquet, parquetOf(folder, names));
  return [
    { what: `${TARS} tars`, input: join(dir, `train-{0..${TARS - 1}}.tar`) },
    { what: 'a zip', input: zip },
    { what: 'a Parquet file', input: parquet },
    { what: 'a tar.gz', input: join(dir, 'all.tar.gz') },
  ];
}

/** As Hugging Face's `datasets` stores images, with their classes. @param {string} folder @param {string[]} names */
function parquetOf(folder, names) {
  const struct = new Struct([
    new Field('bytes', new Binary(), true),
    new Field('path', new Utf8(), true),
  ]);
  const images = names.map((path) => ({ bytes: readFileSync(join(folder, path)), path }));
  const columns = {
    image: vectorFromArray(images, /** @type {any} */ (struct)),
    label: vectorFromArray(
      names.map((path) => basename(dirname(path))),
      new Utf8(),
    ),
  };
  const ipc = tableToIPC(new Table(/** @type {any} */ (columns)), 'stream');
  const properties = new WriterPropertiesBuilder().setMaxRowGroupSize(GROUP_ROWS).build();
  return writeParquet(WasmTable.fromIPCStream(ipc), properties);
}
