import { findModelFolder } from '../model/find-model-folder.ts';
import { describeSource, type ModelFolder } from '../model/model-folder.ts';
import { readModelFolder } from '../model/read-model-folder.ts';
import type { Preprocessing } from '../options/preprocessing.ts';
import { type Check, makeCheck, problemOf } from './check.ts';

export interface ModelRequest {
  /** `--model`; undefined: where `--mode vgg16` looks. */
  readonly model: string | undefined;
  readonly preprocessing: Preprocessing | undefined;
}

/** The model folder: there, whole, with the weights that it states, and trained or not. */
export async function checkModel(
  { model, preprocessing }: ModelRequest,
  signal: AbortSignal,
): Promise<{ check: Check; folder: ModelFolder | undefined }> {
  const dir = findModelFolder('vgg16', model);
  try {
    const folder = await readModelFolder(dir, {
      ...(preprocessing !== undefined && { preprocessing }),
      isFresh: true,
      signal,
    });
    return { check: describe(folder), folder };
  } catch (error) {
    const problem = problemOf(error, 'Make the folder again.', signal);
    const isMissing = / but found no model\.json\.$/.test(problem.message);
    const isExpected = model !== undefined || !isMissing;
    return {
      check: makeCheck('model', {
        summary: isMissing ? `none in ${dir}` : `${dir} cannot be used`,
        findings: [
          isExpected
            ? problem
            : {
                severity: 'warning',
                message: 'Without a model only --mode pixels runs.',
                fix: problem.fix,
              },
        ],
        facts: { found: !isMissing, dir, verified: false },
      }),
      folder: undefined,
    };
  }
}

function describe({ dir, metadata }: ModelFolder): Check {
  const { architecture, inputSize, trained, source, weightsSha256, preprocessing } = metadata;
  return makeCheck('model', {
    summary: `${architecture ?? 'a network of its own'}, ${inputSize.join('×')}, ${trained ? 'trained' : 'NOT trained'}, in ${dir}`,
    details: [`SHA-256 ${weightsSha256} (computed)`, `from ${describeSource(source)}`],
    findings: [
      !trained && {
        severity: 'note',
        message:
          'Its weights are seeded: right for a trial of the machine, meaningless as features.',
        fix: `Get trained ones: ${architecture === null ? '' : `\`img2features model fetch ${architecture} --overwrite\`, or `}\`img2features model convert <keras file> --overwrite\`.`,
      },
    ],
    facts: {
      found: true,
      dir,
      architecture,
      inputSize,
      preprocessing,
      trained,
      source: { ...source },
      weightsSha256,
      verified: true,
    },
  });
}
