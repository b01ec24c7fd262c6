/** What `--augment` asks for, by the names and parameters of torchvision's transforms. */
import { OptionError } from '../errors.ts';
import { show } from '../json.ts';
import { type Parser, wordsOf } from './option-values.ts';

/** What is drawn for each view; what is absent is not done. */
export interface Augmentation {
  /** RandomResizedCrop: share of the image's area, and width / height of the crop. */
  readonly crop?: {
    readonly scale: readonly [least: number, most: number];
    readonly ratio: readonly [least: number, most: number];
  };
  /** RandomHorizontalFlip: how likely it is. */
  readonly flip?: number;
  /** ColorJitter. */
  readonly color?: {
    readonly brightness: number;
    readonly contrast: number;
    readonly saturation: number;
    readonly hue: number;
  };
}

const CHOICES = ['crop', 'flip', 'color'] as const;
type Step = (typeof CHOICES)[number];

/** Of a step named without numbers. torchvision gives ColorJitter none: these are those of MoCo v2 and others. */
const DEFAULTS: Readonly<Record<Step, readonly number[]>> = {
  crop: [0.08, 1, 3 / 4, 4 / 3],
  flip: [0.5],
  color: [0.4, 0.4, 0.4, 0.1],
};

export const AUGMENT_EXAMPLE =
  'crop, flip, color, or numbers such as crop=0.5:1,flip,color=0.4:0.4:0.4:0.1';

/** The parser of `--augment`: the steps in the order in which they are done. */
export const augmentation: Parser<string> = Object.assign(
  (value: unknown, name: string) => {
    const words = wordsOf(value);
    const steps = words.map(stepOf);
    const names = steps.map((step) => step?.name);
    if (words.length > 0 && !names.includes(undefined) && new Set(names).size === names.length) {
      return CHOICES.flatMap((step) => words[names.indexOf(step)] ?? []).join(',');
    }
    throw new OptionError(
      `Expected ${AUGMENT_EXAMPLE} for --${name} but received ${show(value)}.`,
      {
        fix: 'crop=least:most share of the area[:least:most width/height], flip=probability, color=brightness:contrast:saturation:hue.',
      },
    );
  },
  { choices: CHOICES, isList: true },
);

/** What a text that was checked before asks for. */
export function parseAugmentation(text: string): Augmentation {
  const numbers = new Map(text.split(',').map((word) => [stepOf(word)!.name, stepOf(word)!.by]));
  const [crop, flip, color] = CHOICES.map((step) => numbers.get(step));
  return {
    ...(crop && { crop: { scale: [crop[0], crop[1]], ratio: [crop[2], crop[3]] } }),
    ...(flip && { flip: flip[0] }),
    ...(color && {
      color: { brightness: color[0], contrast: color[1], saturation: color[2], hue: color[3] },
    }),
  };
}

/** undefined where the word is no step, or its numbers are none that the step can have. */
function stepOf(word: string): { readonly name: Step; readonly by: readonly number[] } | undefined {
  const [, name, text] = /^(crop|flip|color)(?:=(.*))?$/.exec(word) ?? [];
  if (name === undefined) return undefined;
  const step = name as Step;
  if (text === undefined) return { name: step, by: DEFAULTS[step] };
  const given = text
    .split(':')
    .map((part) => (/^\d*\.?\d+$/.test(part) ? Number(part) : Number.NaN));
  const by = step === 'crop' && given.length === 2 ? [...given, ...DEFAULTS.crop.slice(2)] : given;
  const isSound = by.length === DEFAULTS[step].length && by.every(Number.isFinite);
  return isSound && IS_ALLOWED[step](by) ? { name: step, by } : undefined;
}

const IS_ALLOWED: Readonly<Record<Step, (by: readonly number[]) => boolean>> = {
  crop: ([least, most, low, high]) =>
    0 < least && least <= most && most <= 1 && 0 < low && low <= high,
  flip: ([likely]) => likely <= 1,
  color: ([, , , hue]) => hue <= 0.5,
};
