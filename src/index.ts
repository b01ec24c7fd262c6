/** The public API: re-exports only. */

export type { RecordBatch } from 'apache-arrow';
export type { ConvertModelOptions } from './convert/conversion-plan.ts';
export type { FetchedModel, FetchModelOptions } from './convert/fetch/fetch-model.ts';
export type { EngineInfo, EngineOutput } from './engine/engine.ts';
export {
  EngineError,
  ExportError,
  Img2FeaturesError,
  Interrupted,
  isImg2FeaturesError,
  ModelError,
  OptionError,
  RunError,
  RuntimeError,
  SourceError,
  TooManyBadError,
} from './errors.ts';
export type { RunEvent, RunSummary } from './events.ts';
export { type ExtractHooks, extract } from './extract.ts';
export { decodeAndResize } from './image/decode-and-resize.ts';
export { DecodeError, type RejectReason } from './image/decode-error.ts';
export type { DecodeOptions } from './image/decoded-chunk.ts';
export {
  type BatchesHooks,
  type BatchesSummary,
  extractBatches,
} from './library/extract-batches.ts';
export type { FeatureOptions, ModelOptions } from './library/feature-options.ts';
export { convertModel, fetchModel } from './library/load-on-call.ts';
export { loadReducer } from './library/load-reducer.ts';
export type { Embedding, ImageFault, ImageInput, Model } from './library/open-model.ts';
export { type OpenModelHooks, openModel } from './library/open-model.ts';
export { type InitOptions, initModel } from './model/init-model.ts';
export type { ModelFolder } from './model/model-folder.ts';
export type { ExtractOptions, Mode } from './options/extract-options.ts';
export type { Preprocessing } from './options/preprocessing.ts';
export { type RawOptions, resolveOptions } from './options/resolve-options.ts';
export { verifyRun } from './pipeline/verify-run.ts';
export { Reducer } from './reduce/reducer.ts';
