import type { ConvolutionKind, EngineInfo, EngineOutput } from '../engine/engine.ts';
import { pruneTopology } from '../engine/prune-topology.ts';
import { RunError } from '../errors.ts';
import type { ModelFolder } from '../model/model-folder.ts';
import { type ExtractOptions, makesSplit } from '../options/extract-options.ts';
import { identityValues, keysForAllModes } from '../options/option-keys.ts';
import { jobName } from '../options/option-values.ts';
import { describeDifference, fingerprint, type RunIdentity } from '../run/fingerprint.ts';
import type { Extractor, ExtractorPlan } from './extractor/extractor.ts';

/**
 * Everything that the bytes of a run depend on beside its images. Two runs with the same identity and
 * the same list of images give the same table; a run is only resumed under the same identity.
 * Workers, logging and time limits are left out: they do not change the bytes.
 */
export function runIdentity(options: ExtractOptions, extractor: IdentityParts): RunIdentity {
  const { engine, model } = extractor;
  return {
    mode: options.mode,
    ...(identityValues(options, [...keysForAllModes(), 'reduxType']) as RunIdentity),
    origin: options.origin,
    format: options.format,
    columns: options.columns,
    shard: options.shard && jobName(options.shard),
    // Any other split is part of the list of images.
    split: makesSplit(options) ? `${options.split} by seed ${options.seed}` : undefined,
    ...(options.views > 1 && {
      views: options.views,
      augment: `${options.augment} by seed ${options.seed}`,
      fitViews: options.fitViews,
    }),
    ...(engine !== undefined &&
      model !== undefined && {
        layers: extractor.outputs.map(({ layer, pool }) => `${layer}:${pool}`),
        weights: model.metadata.weightsSha256,
        network: networkHash(model, extractor.outputs),
        preprocessing: model.metadata.preprocessing,
        device: engine.device,
        engine: engine.engine,
        // The kernels differ in the last digits.
        conv: engine.conv === 'direct' ? undefined : engine.conv,
        precision: options.precision,
        batch: extractor.batchSize,
      }),
  };
}

interface IdentityParts extends Pick<Extractor, 'model' | 'outputs' | 'batchSize'> {
  readonly engine: Pick<EngineInfo, 'device' | 'engine' | 'conv'> | undefined;
}

/**
 * The identity that a finished run is compared by, without an engine: `auto` means what that run
 * took. undefined where only the engine knows.
 */
export function foreseeIdentity(
  options: ExtractOptions,
  { model, choice }: Pick<ExtractorPlan, 'model' | 'choice'>,
  outputs: Extractor['outputs'],
  finished: RunIdentity,
): RunIdentity | undefined {
  const parts = { model, outputs, batchSize: 0 };
  if (choice === undefined) return runIdentity(options, { ...parts, engine: undefined });
  const { device, explicit } = choice;
  // A GPU may prove unusable, and a network may have no layer for a convolution.
  if (device === 'cuda' && !explicit && finished.device !== device) return undefined;
  const isOwn = options.conv === 'fused' || options.conv === 'winograd';
  if (isOwn && finished.conv !== options.conv) return undefined;
  const took = finished as Pick<EngineInfo, 'engine' | 'conv'>;
  const engine = options.engine === 'auto' ? took.engine : options.engine;
  const conv = options.conv === 'auto' ? (took.conv ?? 'direct') : options.conv;
  const batchSize = options.batch === 'auto' ? recordedBatchOf(finished)! : options.batch;
  return runIdentity(options, { ...parts, batchSize, engine: { device, engine, conv } });
}

/** Rows in a batch of the run with this identity: to resume it, or to bring it up to date, the same are used. */
export function recordedBatchOf({ batch }: RunIdentity): number | undefined {
  return typeof batch === 'number' ? batch : undefined;
}

/** The convolutions of the run with this identity; undefined where it has no graph, or none was chosen. */
export function recordedConvOf({ engine, conv }: RunIdentity): ConvolutionKind | undefined {
  if (engine !== 'graph') return undefined;
  return conv === 'fused' || conv === 'winograd' ? conv : 'direct';
}

/** @throws RunError where the engine that was started is not the one that was expected */
export function expectForeseen(foreseen: RunIdentity, identity: RunIdentity): void {
  const differences = describeDifference(foreseen, identity);
  if (differences.length === 0) return;
  throw new RunError(
    `Expected the engine of the finished run but found another: ${differences.join('; ')}.`,
    {
      fix: 'Name what that run used by --device, --engine, --conv or --batch, or give --overwrite to start again.',
    },
  );
}

/** SHA-256 of the layers that the outputs need, hex: weights alone do not show a stride or an activation. */
export function networkHash(
  { topology, metadata }: ModelFolder,
  outputs: readonly Pick<EngineOutput, 'layer'>[],
): string {
  const wanted = [...new Set(outputs.map(({ layer }) => layer))];
  const { class_name, config } = pruneTopology(topology, wanted, metadata.inputSize);
  return fingerprint({ class_name, config: { ...(config as object), name: '' } } as RunIdentity);
}
