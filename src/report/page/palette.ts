export type Rgb = readonly [number, number, number];

/** Ten colours that most readers can distinguish, on white and on near-black (Observable's ten). */
const TEN = [
  '#4269d0',
  '#efb118',
  '#ff725c',
  '#6cc5b0',
  '#3ca951',
  '#ff8ab7',
  '#a463f2',
  '#97bbf5',
  '#9c6b4e',
  '#9498a0',
].map(
  (hex): Rgb => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb,
);

/** Lightness and chroma of further rounds of hues. */
const TIERS: readonly (readonly [number, number])[] = [
  [0.66, 0.16],
  [0.5, 0.13],
  [0.8, 0.12],
  [0.6, 0.08],
];
const HUES = 9;

/**
 * A colour for each of n classes: ten chosen ones, or more by hue in tiers of lightness. Beyond some 36 colours
 * begin to look alike; the legend isolates a class then.
 */
export function palette(n: number): Rgb[] {
  if (n <= TEN.length) return TEN.slice(0, n);
  return Array.from({ length: n }, (_, i) => {
    const tier = Math.floor(i / HUES) % TIERS.length;
    const [lightness, chroma] = TIERS[tier];
    // The hues of each tier are shifted against the others, and rounds beyond the last tier against all before.
    const turn = tier * 0.5 + Math.floor(i / (HUES * TIERS.length)) * 0.27;
    return oklch(
      lightness,
      chroma,
      ((25 + ((i % HUES) + turn) * (360 / HUES)) % 360) * (Math.PI / 180),
    );
  });
}

export function css([r, g, b]: Rgb): string {
  return `rgb(${r} ${g} ${b})`;
}

/** OKLCH (Ottosson 2020) to sRGB, cut to what a screen shows. */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const a = chroma * Math.cos(hue);
  const b = chroma * Math.sin(hue);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((x) => {
    const gamma = x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
    return Math.round(255 * Math.min(1, Math.max(0, gamma)));
  }) as unknown as Rgb;
}
