import type { Points } from './nearest.ts';
import { ProbeFit } from './probe-fit.ts';

export interface ProbeResult {
  /** The class of each image, -1 where it is not tested. */
  readonly predicted: Int32Array;
  /** False where a search ended at its limit: then nothing is predicted. */
  readonly isConverged: boolean;
  /** Products of all rows with as many vectors as there are classes, there and back. */
  readonly passes: number;
}

/**
 * A linear probe: multinomial logistic regression with the penalty |w|² / 2 on standardised columns, trained anew for each fold. As
 * scikit-learn's make_pipeline(StandardScaler(), LogisticRegression(C=1)) of the training rows has it; of two classes that fits
 * one vector, whose penalty as a pair of opposite ones is half as large.
 * @param isAugmented trains on all views, not on the plain images alone
 * @param mostPasses of each fold: a limit that no clock has a part in
 */
export async function linearProbe(
  points: Points,
  isAugmented: boolean,
  mostPasses: number,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const { views, foldOf, targets } = points;
  const predicted = new Int32Array(foldOf.length).fill(-1);
  const images = Array.from(foldOf.keys());
  const folds = [...new Set(foldOf)].filter((fold) => fold >= 0).sort();
  const isSplit = foldOf.includes(-1);
  let isConverged = true;
  let passes = 0;
  for (const fold of folds) {
    const trained = images.filter((image) =>
      isSplit ? foldOf[image] === -1 : foldOf[image] !== fold,
    );
    const rows = trained.flatMap((image) => {
      return isAugmented
        ? Array.from({ length: views }, (_, v) => image * views + v)
        : [image * views];
    });
    // A class without an image to train on is never predicted.
    const present = [...new Set(trained.map((image) => targets[image]))].sort((a, b) => a - b);
    const place = new Map(present.map((target, i) => [target, i]));
    const labels = Int32Array.from(rows, (row) => place.get(targets[Math.floor(row / views)])!);
    if (present.length === 1) {
      for (const image of images) if (foldOf[image] === fold) predicted[image] = present[0];
      continue;
    }
    const fit = new ProbeFit(points, rows, labels, present.length);
    isConverged = await fit.run(mostPasses, signal);
    passes += fit.passes;
    if (!isConverged) return { predicted: predicted.fill(-1), isConverged, passes };
    const tested = images.filter((image) => foldOf[image] === fold);
    const best = fit.predict(tested.map((image) => image * views));
    tested.forEach((image, i) => {
      predicted[image] = present[best[i]];
    });
  }
  return { predicted, isConverged, passes };
}
