import type { Mode } from '../options/extract-options.ts';

/**
 * Near duplicates: feature distance as a share of the typical distance between two images of the run
 * (the root mean square, the square root of twice the total variance).
 *
 * pixels, measured: JPEG copies at quality 75 of 100 photographs were at 0.002 to 0.011, at quality 40 up
 * to 0.015, copies of half the size up to 0.005; the closest of 128 unrelated photographs at 0.31. Photographs of
 * one fruit turned by a few degrees (Fruits-360) begin at 0.01: those are near duplicates by any measure.
 * Networks: wider, as their features move more under recoding; not measured with trained weights.
 */
export const NEAR: Readonly<Record<Mode, number>> = { pixels: 0.02, vgg16: 0.05, cnn: 0.05 };

/**
 * The same image in batches of different shapes: a network's last bits differ then. Measured 5e-7 of the typical
 * distance; such pairs are compared by their bytes.
 */
export const SAME_IMAGE = 1e-5;

/**
 * Outliers: distance from the class's centre (the median of each component), less the class's median
 * distance, in units of 1.4826 median absolute deviations: standard deviations, were distances normal.
 */
export const OUTLIER_SCORE = 6;

/** Fewer images than this do not show what a class has in common. */
export const OUTLIER_MIN_CLASS = 10;
