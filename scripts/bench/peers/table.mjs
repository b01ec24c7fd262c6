import { round } from '../lib/statistics.mjs';

const PEERS = {
  keras: 'Keras + Pillow + scikit-learn',
  torch: 'PyTorch + torchvision, DataLoader',
  onnx: 'ONNX Runtime, Python',
  'onnx-node': 'onnxruntime-node + sharp (no PCA)',
  plain: 'plain Python: Pillow in 2 processes, scikit-learn, pyarrow',
  spark: "the notebook's job, PySpark local[2]",
};

/** Markdown, ratios against ours: above 1 means that we are faster. */
export function peersTable({ machine, results }) {
  const { cpu, cores, node, date, commit } = machine;
  const lines = [`${cores} cores, ${cpu}, Node ${node}, ${date}, commit ${commit}`];
  for (const { job, rows } of results) {
    lines.push(
      '',
      job,
      '',
      '| | whole process, s | images/s without start | we are faster by (whole / job) | same numbers |',
    );
    lines.push('|---|---|---|---|---|');
    const [ours] = rows;
    for (const row of rows) lines.push(line(row, ours));
  }
  return lines.join('\n');
}

function line(row, ours) {
  const { name, version, wholeSeconds: whole, jobImagesPerSecond: rate, agreement } = row;
  const isOurs = row === ours;
  const cells = [
    isOurs ? `**${version}**` : `${PEERS[name]} (${version})`,
    `${whole.median} (${whole.min}–${whole.max})`,
    `${rate.median} (${rate.min}–${rate.max})`,
    isOurs
      ? ''
      : `${round(whole.median / ours.wholeSeconds.median)} × / ${round(ours.jobImagesPerSecond.median / rate.median)} ×`,
    agreement === undefined ? '' : `cosine ≥ ${agreement.minCosine.toFixed(7)}`,
  ];
  return `| ${cells.join(' | ')} |`;
}
