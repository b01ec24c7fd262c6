// Converts one file in a process of its own, so that its memory can be measured: prints one JSON line.
import { convertModel } from '../../dist/convert/convert-model.js';

const [file, dir, arch] = process.argv.slice(2);
const started = performance.now();
await convertModel({ file, dir, overwrite: true, ...(arch && { arch }) });
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ seconds, maxRssMb: process.resourceUsage().maxRSS / 1024 }));
