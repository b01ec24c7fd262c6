const WIDTH = 760;
const LABELS = 300;
const ROW = 30;
const TOP = 34;

/**
 * A bar for each tool in the first table of docs/numbers.md: seconds of its whole process.
 * @param {string} numbers the page's text
 * @returns {string} an SVG picture, readable on light and dark pages
 */
export function ratiosChart(numbers) {
  const table = /^\| full VGG16 [\s\S]*?\n\n/m.exec(numbers)?.[0] ?? '';
  const rows = [...table.matchAll(/^\| (.+?) \| \**([\d.]+) s\**(?: \([^)]*\))? \|/gm)];
  const bars = rows.map(([, name, seconds]) => ({
    name: name.replace(/[*¹`]| \(.*\)|, `local\[2\]`/g, ''),
    seconds: Number(seconds),
  }));
  if (bars.length < 2)
    throw new Error('docs/numbers.md: expected a table with seconds of each tool.');
  const most = Math.max(...bars.map(({ seconds }) => seconds));
  const height = TOP + ROW * bars.length + 10;
  const lines = bars.map(({ name, seconds }, i) => {
    const y = TOP + ROW * i;
    const width = Math.round(((WIDTH - LABELS - 130) * seconds) / most);
    const ratio = i === 0 ? '' : `, ${(seconds / bars[0].seconds).toFixed(1)} ×`;
    return [
      `<text x="${LABELS - 10}" y="${y + 19}" text-anchor="end">${name}</text>`,
      `<rect x="${LABELS}" y="${y + 4}" width="${width}" height="${ROW - 8}" fill="${i === 0 ? '#2f6fde' : '#9aa4b2'}"/>`,
      `<text x="${LABELS + width + 8}" y="${y + 19}">${seconds} s${ratio}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}">
<title>Seconds of each tool for the same images</title>
<style>text { font: 14px sans-serif; fill: #222 } @media (prefers-color-scheme: dark) { text { fill: #ddd } }</style>
<text x="10" y="20">Full VGG16 of 128 images, from files to a Parquet table, on two CPU cores (shorter is better)</text>
${lines.join('\n')}
</svg>
`;
}
