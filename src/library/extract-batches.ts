/** The pipeline as a stream: source -> manifest -> decode -> engine -> Arrow, and nothing written. */
import type { RecordBatch } from 'apache-arrow';
import { Closers } from '../closers.ts';
import { Interrupted, interruption, RunError, TooManyBadError } from '../errors.ts';
import type { RunEvent } from '../events.ts';
import { featureColumns } from '../export/column-names.ts';
import { DecodePool } from '../image/pool/decode-pool.ts';
import type { ExtractOptions } from '../options/extract-options.ts';
import { decodeOptions, type Extractor } from '../pipeline/extractor/extractor.ts';
import { planExtractor } from '../pipeline/extractor/open-extractor.ts';
import { listImages, sourceOptions } from '../pipeline/list-images.ts';
import { openSavedReducers } from '../pipeline/reducer-fitting.ts';
import { computeBatches } from '../pipeline/stream/extract-shards.ts';
import { Progress, type RunClock, StageClock } from '../pipeline/stream/progress.ts';
import type { Reducer } from '../reduce/reducer.ts';
import { planRun } from '../run/plan-shards.ts';
import { RejectionsSoFar } from '../run/rejections.ts';
import { s3OptionsOf } from '../s3/s3-options.ts';
import { openSource } from '../source/open-source.ts';
import { countSkipped } from '../source/skipped.ts';
import { openOutputForReading } from '../storage/open-output.ts';
import { type FeatureOptions, resolveFeatureOptions } from './feature-options.ts';

const STOPPED = 'Expected to read all images but was asked to stop.';

export interface BatchesHooks {
  /** Ends the iteration with Interrupted, or with the signal's reason where that is an error of ours. */
  readonly signal?: AbortSignal | undefined;
  /** Among them `rejected`, once for each image without a row, before the batch that passes it. */
  readonly onEvent?: ((event: RunEvent) => void) | undefined;
}

/** What the iteration returns at its end: `discovered = extracted + rejected`. */
export interface BatchesSummary {
  readonly discovered: number;
  readonly extracted: number;
  readonly rejected: number;
  /** Sum of `skipped`. */
  readonly ignored: number;
  /** What the listing left out, by why: files, and folders that were not listed, each as one. */
  readonly skipped: Readonly<Record<string, number>>;
}

/**
 * Features of all images as Arrow record batches, in row order (by origin), with the table's columns and
 * the table's numbers: `origin`, `target`, `vectors` or `cnn_vectors` …, and `…_redux` with `with`.
 *
 * Nothing is written. Work runs only a few batches ahead of the consumer; leaving the loop early
 * ends the engine and the threads. The event `rejected` reports an image without a row.
 * @throws Img2FeaturesError of the room that failed; Interrupted by `signal`
 * @example
 * for await (const batch of extractBatches({ input: 'dataset', mode: 'vgg16', layer: 'fc2' })) {
 *   for (const row of batch) console.log(row.origin, row.cnn_vectors.toArray()); // Float32Array(4096)
 * }
 */
export async function* extractBatches(
  options: FeatureOptions,
  hooks: BatchesHooks = {},
): AsyncGenerator<RecordBatch, BatchesSummary, undefined> {
  let soFar: RejectionsSoFar | undefined;
  const onEvent = (event: RunEvent) => {
    soFar?.add(event);
    hooks.onEvent?.(event);
  };
  const stop = new AbortController();
  const onAbort = () => stop.abort(interruption(hooks.signal!, STOPPED));
  if (hooks.signal?.aborted) throw interruption(hooks.signal, STOPPED);
  hooks.signal?.addEventListener('abort', onAbort, { once: true });
  const { signal } = stop;
  const closers = new Closers();
  let isAtEnd = false;
  try {
    const resolved = await resolveFeatureOptions(options, signal);
    soFar = new RejectionsSoFar(resolved.maxBad);
    const source = openSource(resolved.input, sourceOptions(resolved));
    closers.add(() => source.close?.());
    const plan = await planExtractor(resolved, { onEvent });
    const features = { model: plan.model, outputs: await plan.outputs() };
    const reducers = await openReducers(resolved, features, signal);
    const opening = plan.open({ signal, onEvent });
    opening.catch((error) => stop.abort(error)); // without the network, listing has no use
    closers.addOpening(opening);
    const manifest = await listImages(source, { limit: resolved.limit, signal, onEvent });
    const extractor = await opening;

    const { buildRecordBatch, featureSchema, labelTexts } = await import(
      '../export/features-table.ts'
    );
    const { mode, workers, imageTimeout } = resolved;
    const k = reducers[0]?.k ?? 0;
    const schema = featureSchema(featureColumns(mode, extractor.outputs, k, manifest));
    const lengths = extractor.outputs.map(({ length }) => length);
    const { shards } = planRun(manifest.count, { isPixels: mode === 'pixels', lengths });
    const pixels = decodeOptions(resolved, extractor);
    const pool = new DecodePool(pixels, workers, { imageTimeoutMs: imageTimeout * 1000 });
    closers.add(() => pool.close());
    const { count, rejections, skipped } = manifest;
    const { maxBad } = resolved;
    const listed = { total: count, done: 0, rejected: 0, unusable: rejections.length };
    const progress = new Progress({ ...listed, maxBad, onEvent });
    const clock: RunClock = new StageClock();
    const run = {
      options: resolved,
      source,
      manifest,
      clock,
      progress,
      extractor,
      onEvent,
      signal,
    };
    const results = computeBatches(run, { shards, pool, maxPixels: pixels.maxPixels });
    closers.add(() => results.return(undefined));

    let rejected = rejections.length;
    // Not for-await: it would wait for the network's answers when the consumer leaves the loop.
    for (let next = await results.next(); !next.done; next = await results.next()) {
      signal.throwIfAborted();
      const { batch, outputs } = next.value;
      const n = batch.indices.length;
      rejected += batch.rejections.length;
      progress.advance(n, batch.rejections.length);
      if (n === 0) continue;
      const entries = batch.indices.map((index) => manifest.entry(index));
      yield buildRecordBatch(schema, {
        origins: entries.map(({ origin }) => origin),
        targets: entries.map(({ target }) => target),
        texts: labelTexts(schema.columns, manifest.kept, entries),
        vectors: outputs.map((values) => values.slice()),
        reduced: reducers.map((reducer, i) => reducer.transform(outputs[i], n)),
      });
    }
    const extracted = progress.newRows;
    const discovered = count + rejections.length;
    if (discovered !== extracted + rejected) {
      throw new RunError(
        `Expected ${discovered} images as rows and rejections but found ${extracted} and ${rejected}.`,
      );
    }
    isAtEnd = true;
    return { discovered, extracted, rejected, ignored: countSkipped(skipped), skipped };
  } catch (error) {
    if (error instanceof TooManyBadError) error.rejections = soFar?.inOrder() ?? [];
    throw error;
  } finally {
    // Nobody takes what is in flight: do not wait for it.
    if (!isAtEnd) stop.abort(new Interrupted('Expected to read all images but the loop was left.'));
    hooks.signal?.removeEventListener('abort', onAbort);
    await closers.close();
  }
}

/** One for each output, of the run that `with` names; else none. */
async function openReducers(
  options: ExtractOptions,
  features: Pick<Extractor, 'model' | 'outputs'>,
  signal: AbortSignal,
): Promise<readonly Reducer[]> {
  if (options.with === undefined) return [];
  const saved = await openOutputForReading(options.with, { s3: s3OptionsOf(options), signal });
  return (await openSavedReducers(saved, options, features)).fitting.finish();
}
