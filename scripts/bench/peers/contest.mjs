import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  inTurn,
  machineLine,
  markdown,
  range,
  round,
  spread,
  timedProcess,
} from '../lib/measure.mjs';

/** @typedef {{ images: number, seconds: { load: number, job: number, network?: number | null }, version: string }} Said
 *   network: in the network alone, where that is known */
/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {() => { command: string, args: string[], env?: NodeJS.ProcessEnv }} start
 * @property {(stdout: string) => Said} [read] where the process's last line on stdout is not that
 * @property {string} [table] its output, to be compared with ours
 * @property {number} [rounds] less than the others, for one that takes minutes
 */

const PEERS = {
  keras: 'Keras + Pillow + scikit-learn',
  torch: 'PyTorch + torchvision, DataLoader',
  onnx: 'ONNX Runtime, Python',
  openvino: 'OpenVINO, Python, float32',
  ncnn: 'ncnn, Python, an image at a time',
  'onnx-node': 'onnxruntime-node + sharp (no PCA)',
  plain: 'plain Python: Pillow in 2 processes, scikit-learn, pyarrow',
  spark: "the notebook's job, PySpark local[2]",
  'one machine': 'the same without Spark',
  executors: 'the same, two executors of one slot',
  boto3: 'boto3, 16 threads, that fetches and does no more',
};

/**
 * The contestants in turn, their outputs compared with ours.
 * @param {string} job
 * @param {Contestant[]} contestants ours first
 * @param {{ repeat: number, column: string, python: string, tolerance: (name: string) => number }} options
 */
export async function contest(job, contestants, { repeat, column, python, tolerance }) {
  const found = await inTurn(contestants, repeat, async ({ name, start, read = lastLine }, i) => {
    const { command, args, env } = start();
    const { seconds: whole, stdout } = await timedProcess(command, args, env);
    const { images, seconds, version } = read(stdout);
    const rate = images / seconds.job;
    console.error(
      `${name}, round ${i + 1}: ${round(whole)} s in all, ${round(rate)} images/s in the job`,
    );
    const network = seconds.network ? images / seconds.network : undefined;
    return { whole, images, load: seconds.load, rate, network, version };
  });
  const rows = contestants.map(({ name, table }, i) => ({
    name,
    version: found[i][0].version,
    images: found[i][0].images,
    wholeSeconds: spread(found[i].map(({ whole }) => whole)),
    loadSeconds: spread(found[i].map(({ load }) => load)),
    jobImagesPerSecond: spread(found[i].map(({ rate }) => rate)),
    ...(found[i].every(({ network }) => network !== undefined) && {
      networkImagesPerSecond: spread(found[i].map(({ network }) => Number(network))),
    }),
    ...(i > 0 && table !== undefined && { agreement: agree(name, table) }),
  }));
  return { job, rows };

  /** @param {string} name @param {string} table */
  function agree(name, table) {
    const script = fileURLToPath(new URL('./compare.py', import.meta.url));
    const args = [script, String(contestants[0].table), table, column];
    const compared = JSON.parse(execFileSync(python, args).toString());
    if (compared.minCosine >= tolerance(name)) return compared;
    throw new Error(
      `Expected the rows of ${name} to equal ours (cosine >= ${tolerance(name)}) but found ${compared.minCosine}: ` +
        'the two did not do the same work.',
    );
  }
}

/** @param {string} stdout */
export function lastLine(stdout) {
  return JSON.parse(String(stdout.trim().split('\n').at(-1)));
}

/** Markdown, ratios against ours: above 1 means that we are faster. */
export function peersTable({ machine, results }) {
  const head = ['', 'whole process, s', 'images/s without start', 'in the network alone'];
  head.push('we are faster by (whole / job / network)', 'same numbers');
  const tables = results.map(({ job, rows }) => {
    const lines = rows.map((row) => line(row, rows[0]));
    return `${job}\n\n${markdown(head, lines)}`;
  });
  return [machineLine(machine), ...tables].join('\n\n');
}

function line(row, ours) {
  const { name, version, wholeSeconds: whole, jobImagesPerSecond: rate, agreement } = row;
  const network = row.networkImagesPerSecond;
  const times = [range(whole), range(rate), network === undefined ? '' : range(network)];
  if (row === ours) return [`**${version}**`, ...times, '', ''];
  const inAll = round(whole.median / ours.wholeSeconds.median);
  const inJob = round(ours.jobImagesPerSecond.median / rate.median);
  // Our Spark job does not tell what its engines took.
  const own = ours.networkImagesPerSecond;
  const inNetwork = network && own ? ` / ${round(own.median / network.median)} ×` : '';
  const cosine = agreement === undefined ? '' : `cosine ≥ ${agreement.minCosine.toFixed(7)}`;
  return [`${PEERS[name]} (${version})`, ...times, `${inAll} × / ${inJob} ×${inNetwork}`, cosine];
}
