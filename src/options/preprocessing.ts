/** What is done to the pixels (0–255) before the network gets them: a mode by name, or numbers. */
import { OptionError } from '../errors.ts';
import { show } from '../json.ts';
import type { Parser } from './option-values.ts';

/** One step in float32, with one number for all channels or one for each. */
export interface PixelStep {
  readonly do: 'multiply' | 'divide' | 'subtract';
  readonly by: readonly number[];
}

export interface PixelSteps {
  /** Blue comes first. */
  readonly isBgr: boolean;
  readonly steps: readonly PixelStep[];
}

const divide = (...by: number[]): PixelStep => ({ do: 'divide', by });
const subtract = (...by: number[]): PixelStep => ({ do: 'subtract', by });

/** The modes of keras/src/applications/imagenet_utils.py, x / 255, and raw pixels. */
const NAMED = {
  caffe: { isBgr: true, steps: [subtract(103.939, 116.779, 123.68)] },
  tf: { isBgr: false, steps: [divide(127.5), subtract(1)] },
  torch: {
    isBgr: false,
    steps: [divide(255), subtract(0.485, 0.456, 0.406), divide(0.229, 0.224, 0.225)],
  },
  unit: { isBgr: false, steps: [divide(255)] },
  none: { isBgr: false, steps: [] },
} as const satisfies Record<string, PixelSteps>;

type NamedMode = keyof typeof NAMED;
const NAMES = Object.keys(NAMED) as NamedMode[];

/** "unit", or "scale=1/255,mean=0.5:0.5:0.5,std=0.25": (x · scale − mean) / std. */
export type Preprocessing = NamedMode | `${'scale' | 'mean' | 'std'}=${string}`;

/** What `--preprocessing` takes, for messages and help. */
export const PREPROCESSING_CHOICES = `${NAMES.join(', ')}, or numbers such as scale=1/255,mean=0.5:0.5:0.5,std=0.25`;

/** The parser of `--preprocessing`: what computes the same is written in the same way. */
export const preprocessing: Parser<Preprocessing> = Object.assign(
  (value: unknown, name: string) => {
    const found = typeof value === 'string' ? normalPreprocessing(value) : undefined;
    if (found !== undefined) return found;
    throw new OptionError(
      `Expected ${PREPROCESSING_CHOICES} for --${name} but received ${show(value)}.`,
      {
        fix: 'Pixels become (x * scale - mean) / std; mean and std: one number, or red:green:blue.',
      },
    );
  },
  { choices: NAMES },
);

/** undefined where the text is no preprocessing. */
export function normalPreprocessing(text: string): Preprocessing | undefined {
  if (Object.hasOwn(NAMED, text)) return text as NamedMode;
  const fields = fieldsOf(text);
  if (fields === undefined) return undefined;
  const steps = JSON.stringify(fields.map(({ step }) => step));
  const same = NAMES.find(
    (name) => !NAMED[name].isBgr && JSON.stringify(NAMED[name].steps) === steps,
  );
  return same ?? (fields.map((field) => field.text).join(',') as Preprocessing);
}

/** The steps of a preprocessing that was checked before. */
export function pixelSteps(preprocessing: Preprocessing): PixelSteps {
  if (Object.hasOwn(NAMED, preprocessing)) return NAMED[preprocessing as NamedMode];
  return { isBgr: false, steps: fieldsOf(preprocessing)!.map(({ step }) => step) };
}

interface Field {
  readonly step: PixelStep;
  readonly text: string;
}

/** Those that change something, in the order in which they are computed. */
function fieldsOf(text: string): Field[] | undefined {
  const values = new Map<string, string>();
  for (const part of text.split(',')) {
    const [, key, value] = /^\s*(scale|mean|std)\s*=(.*)$/.exec(part) ?? [];
    if (key === undefined || values.has(key)) return undefined;
    values.set(key, value);
  }
  const fields: Field[] = [];
  for (const key of ['scale', 'mean', 'std'] as const) {
    const value = values.get(key);
    if (value === undefined) continue;
    const field = fieldOf(key, value);
    if (field === undefined) return undefined;
    const neutral = key === 'mean' ? 0 : 1;
    if (field.step.by.some((n) => n !== neutral)) fields.push(field);
  }
  return fields;
}

/** undefined where the field cannot have the value. */
function fieldOf(key: 'scale' | 'mean' | 'std', value: string): Field | undefined {
  const divisor = key === 'scale' ? /^\s*1\s*\/(.*)$/.exec(value)?.[1] : undefined;
  const numbers = (divisor ?? value).split(':').map(parseNumber);
  const isCount = numbers.length === 1 || (numbers.length === 3 && key !== 'scale');
  if (!isCount || !numbers.every((n) => Number.isFinite(n) && (n !== 0 || key === 'mean'))) {
    return undefined;
  }
  const by = new Set(numbers).size === 1 ? numbers.slice(0, 1) : numbers;
  const isDivision = key === 'std' || divisor !== undefined;
  return {
    step: { do: key === 'mean' ? 'subtract' : isDivision ? 'divide' : 'multiply', by },
    text: `${key}=${divisor === undefined ? '' : '1/'}${by.join(':')}`,
  };
}

/** NaN for what is no number, or none of float32, in which the steps compute. */
function parseNumber(text: string): number {
  if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return Number.NaN;
  const value = Number(text);
  if (value === 0) return 0;
  const float = Math.fround(value);
  return float === 0 || !Number.isFinite(float) ? Number.NaN : value;
}
