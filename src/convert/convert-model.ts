import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { errnoOf, isImg2FeaturesError, ModelError, OptionError } from '../errors.ts';
import { show } from '../json.ts';
import { shapeSize } from '../model/count-values.ts';
import { modelDirOf } from '../model/find-model-folder.ts';
import type { ModelFolder, ModelMetadata } from '../model/model-folder.ts';
import {
  checkReplaceable,
  type WeightStream,
  writeModelFolder,
} from '../model/write-model-folder.ts';
import { preprocessing as parsePreprocessing } from '../options/preprocessing.ts';
import type { ConversionPlan, ConvertModelOptions, KerasFile } from './conversion-plan.ts';
import { convertFullModel } from './convert-full-model.ts';
import { convertWeightsFile } from './convert-weights-file.ts';
import { isNetworkName, KERAS_NETWORKS, type KerasNetwork } from './keras-networks.ts';
import { readTopology, weightsInOrder } from './network-topologies.ts';
import { openKerasFile } from './open-keras-file.ts';

/**
 * Converts a Keras file into a model folder. Memory is bounded by some slices of 8 MiB, whatever the
 * size of the file. `dir` is written whole or not at all.
 * @throws ModelError for a file that is damaged or cannot be converted; OptionError for an option
 *   that does not fit the file
 */
export async function convertModel(given: ConvertModelOptions): Promise<ModelFolder> {
  const options = checkOptions(given);
  const { dir, overwrite = false, signal } = options;
  const path = resolve(options.file);
  if (modelDirOf(path) === resolve(dir)) {
    throw new OptionError(`Expected another folder for --out but found that of the model, ${dir}.`);
  }
  await checkReplaceable(resolve(dir), overwrite);
  const file = await openKerasFile(path, {
    tempParent: existingAncestor(resolve(dir)),
    ...(options.readTimeoutMs !== undefined && { readTimeoutMs: options.readTimeoutMs }),
    ...(signal && { signal }),
  });
  try {
    for (const note of file.notes ?? []) options.onNote?.(note);
    const plan = await planConversion(file, options);
    return await writeModelFolder(dir, {
      topology: plan.topology,
      metadata: {
        architecture: plan.architecture,
        preprocessing: plan.preprocessing,
        inputSize: plan.inputSize,
        trained: true,
        ...(Object.keys(plan.nested ?? {}).length > 0 && { nested: plan.nested }),
        source: await describeSource(file, signal),
      },
      weights: streamWeights(file, plan, options),
      generatedBy: file.kerasVersion === '' ? 'keras' : `keras v${file.kerasVersion}`,
      overwrite,
      ...(signal && { signal }),
    });
  } finally {
    await file.close();
  }
}

async function describeSource(
  { origin, format }: KerasFile,
  signal: AbortSignal | undefined,
): Promise<ModelMetadata['source']> {
  if (origin.kind === 'tfjs') return origin;
  const { path } = origin;
  return { kind: 'keras', file: basename(path), format, sha256: await hashFile(path, signal) };
}

async function planConversion(
  file: KerasFile,
  options: ConvertModelOptions,
): Promise<ConversionPlan> {
  try {
    if (file.model !== undefined) return await convertFullModel(file, file.model, options);
    const known = options.arch === undefined ? undefined : KERAS_NETWORKS.get(options.arch);
    return known === undefined
      ? convertWeightsFile(file, options)
      : await convertKnownNetwork(file, known, options);
  } catch (cause) {
    if (isImg2FeaturesError(cause)) throw cause;
    // A description can be damaged in more ways than can be checked one by one.
    throw new ModelError(
      `Expected a Keras model in ${options.file} but found something that cannot be read: ${(cause as Error).message}.`,
      { fix: 'The file is damaged: save, copy or download it again.', cause },
    );
  }
}

/** Weights alone, of a network whose topology is known. */
async function convertKnownNetwork(
  file: KerasFile,
  { preprocessing }: KerasNetwork,
  { arch, ...options }: ConvertModelOptions,
): Promise<ConversionPlan> {
  const { model, weighted } = await readTopology(arch!);
  const weights = weightsInOrder(file.weights, weighted, options.file);
  // The topology is that of Keras 2, whichever Keras wrote the weights.
  const whole = { ...file, weights, kerasVersion: '2' };
  const plan = await convertFullModel(whole, model, { preprocessing, ...options });
  return { ...plan, architecture: options.until === undefined ? arch! : null };
}

function* streamWeights(
  file: KerasFile,
  plan: ConversionPlan,
  { onProgress }: ConvertModelOptions,
): Generator<WeightStream> {
  const bytesOf = (shape: readonly number[]) => 4 * shapeSize(shape);
  const total = plan.weights.reduce((sum, { spec }) => sum + bytesOf(spec.shape), 0);
  let done = 0;
  for (const { spec, stored } of plan.weights) {
    yield { spec, chunks: counted(file.readWeight(stored)) };
  }

  async function* counted(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      yield chunk;
      done += chunk.length;
      onProgress?.(done, total);
    }
  }
}

function checkOptions(given: ConvertModelOptions): ConvertModelOptions {
  const { arch, preprocessing, inputSize } = given;
  if (arch !== undefined && !isNetworkName(arch)) {
    throw new OptionError(
      `Expected a network that \`img2features model convert --help\` names for arch but found ${show(arch)}.`,
    );
  }
  if (inputSize?.some((side) => !Number.isSafeInteger(side) || side < 1 || side > 65_536)) {
    throw new OptionError(
      `Expected a height and width in pixels for the input size but found ${inputSize.join('×')}.`,
    );
  }
  if (preprocessing === undefined) return given;
  return { ...given, preprocessing: parsePreprocessing(preprocessing, 'preprocessing') };
}

/** Unpacked weights go to the disk that will hold the model: temporary folders may be in memory. */
function existingAncestor(dir: string): string {
  const parent = dirname(dir);
  return parent === dir || existsSync(parent) ? parent : existingAncestor(parent);
}

async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  try {
    const stream = createReadStream(path, {
      highWaterMark: 1024 * 1024,
      ...(signal && { signal }),
    });
    for await (const chunk of stream) hash.update(chunk as Buffer);
  } catch (cause) {
    if (errnoOf(cause) === 'ABORT_ERR') throw cause;
    throw new ModelError(`Expected to read ${path} but found: ${(cause as Error).message}.`, {
      cause,
    });
  }
  return hash.digest('hex');
}
