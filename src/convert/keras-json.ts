/** Reading a file's JSON without trusting it. */
import { ModelError } from '../errors.ts';
import { parseJson, show } from '../json.ts';

const FIX = 'The file is damaged: save, copy or download it again.';

export type JsonObject = Readonly<Record<string, unknown>>;

/** A Keras object as both generations write it: what it is and how it is set up. */
export interface KerasObject {
  readonly class_name: string;
  readonly config: JsonObject;
  /** Where the class comes from; Keras 3 and late Keras 2 only. */
  readonly module: string;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws ModelError naming `what` when the text is no JSON object */
export function parseJsonObject(text: string, what: string): JsonObject {
  const value = parseJson(text, { name: what, error: ModelError, fix: FIX });
  if (isObject(value)) return value;
  throw damaged(`a JSON object in ${what}`, show(value));
}

/** @throws ModelError naming `what` when the value is no `{ class_name, config }` */
export function parseKerasObject(value: unknown, what: string): KerasObject {
  if (isObject(value) && typeof value.class_name === 'string') {
    const { class_name, config, module } = value;
    // Keras before 2.2.3 wrote a Sequential's config as the bare list of layers.
    const settings = Array.isArray(config) ? { layers: config } : config;
    if (isObject(settings)) {
      return { class_name, config: settings, module: typeof module === 'string' ? module : '' };
    }
  }
  throw damaged(`class_name and config for ${what}`, show(value));
}

export function damaged(expected: string, found: string, cause?: unknown): ModelError {
  return new ModelError(`Expected ${expected} but found ${found.replace(/\.$/, '')}.`, {
    fix: FIX,
    ...(cause === undefined ? {} : { cause }),
  });
}
