import { readFile } from 'node:fs/promises';
import { posix } from 'node:path';
import { expect, test } from 'vitest';
import * as api from '../src/index.ts';

test('the public surface is what docs/library.md lists', async () => {
  const [source, page] = await Promise.all(
    ['../src/index.ts', '../docs/library.md'].map((path) =>
      readFile(new URL(path, import.meta.url), 'utf8'),
    ),
  );
  const exported = [...source!.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(
    ([, types = '', names = '']) => {
      const each = names.split(',').map((name) => name.trim());
      return each.filter((name) => name !== '').map((name) => `${types}${name}`);
    },
  );
  const values = exported.filter((name) => !name.startsWith('type '));
  expect(values.sort()).toEqual(Object.keys(api).sort());
  const [, table = ''] = page!.split('## Everything that is exported');
  const listed = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, names = '']) => {
    const [ofValues = '', ofTypes = ''] = names.split(/types /);
    const quoted = (text: string) => [...text.matchAll(/`(\w+)`/g)].map(([, name]) => name);
    return [...quoted(ofValues), ...quoted(ofTypes).map((name) => `type ${name}`)];
  });
  expect(listed.sort()).toEqual(exported.sort());
  expect(listed).toMatchInlineSnapshot(`
    [
      "DecodeError",
      "EngineError",
      "ExportError",
      "Img2FeaturesError",
      "Interrupted",
      "ModelError",
      "OptionError",
      "Reducer",
      "RunError",
      "RuntimeError",
      "SourceError",
      "TooManyBadError",
      "convertModel",
      "decodeAndResize",
      "extract",
      "extractBatches",
      "fetchModel",
      "initModel",
      "isImg2FeaturesError",
      "loadReducer",
      "openModel",
      "resolveOptions",
      "type BatchesHooks",
      "type BatchesSummary",
      "type ConvertModelOptions",
      "type DecodeOptions",
      "type Embedding",
      "type EngineInfo",
      "type EngineOutput",
      "type ExtractHooks",
      "type ExtractOptions",
      "type FeatureOptions",
      "type FetchModelOptions",
      "type FetchedModel",
      "type ImageFault",
      "type ImageInput",
      "type InitOptions",
      "type Mode",
      "type Model",
      "type ModelFolder",
      "type ModelOptions",
      "type OpenModelHooks",
      "type Preprocessing",
      "type RawOptions",
      "type RecordBatch",
      "type RejectReason",
      "type RunEvent",
      "type RunSummary",
      "verifyRun",
    ]
  `);
});

test('one call turns a folder into a table, from checked options', () => {
  const options = api.resolveOptions({ input: 'dataset', mode: 'pixels', out: 'features' });
  expect(Object.isFrozen(options)).toBe(true);
  expect(JSON.parse(JSON.stringify(options))).toMatchObject({ mode: 'pixels', k: 10 });
});

test('its types name no package that a user may lack', async () => {
  const seen = new Set(['index.d.ts']);
  const packages = new Set<string>();
  for (const file of seen) {
    const text = await readFile(new URL(`../dist/${file}`, import.meta.url), 'utf8');
    for (const [, named = ''] of text.matchAll(/(?:from |import\()['"]([^'"]+)['"]/g)) {
      const types = named.replace(/\.[tj]s$/, '.d.ts');
      if (named.startsWith('.')) seen.add(posix.join(posix.dirname(file), types));
      else if (!named.startsWith('node:')) packages.add(named);
    }
  }
  expect([...packages]).toEqual(['apache-arrow']);
});
