import { expect, test } from 'vitest';
import * as api from '../src/index.ts';

test('the public surface is what it is', () => {
  expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
    [
      "DecodeError",
      "EngineError",
      "ExportError",
      "Img2FeaturesError",
      "Interrupted",
      "ModelError",
      "OptionError",
      "Reducer",
      "ReducerFitter",
      "RunError",
      "RuntimeError",
      "SourceError",
      "TooManyBadError",
      "chooseDevice",
      "convertModel",
      "decodeAndResize",
      "extract",
      "extractBatches",
      "fetchModel",
      "initModel",
      "isImg2FeaturesError",
      "loadReducer",
      "locateRuntime",
      "openEngine",
      "openModel",
      "readModelFolder",
      "readReducerFile",
      "resolveOptions",
      "verifyRun",
      "writeReducerFile",
    ]
  `);
});

test('one call turns a folder into a table, from checked options', () => {
  const options = api.resolveOptions({ input: 'dataset', mode: 'pixels', out: 'features' });
  expect(Object.isFrozen(options)).toBe(true);
  expect(JSON.parse(JSON.stringify(options))).toMatchObject({ mode: 'pixels', k: 10 });
});
