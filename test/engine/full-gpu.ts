import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * A script to preload into engine processes, which makes TensorFlow's addon fail as it does on a full GPU, for
 * more than `most` images at once. It takes the place of a GPU, which was not at hand.
 * @param message what it says then
 * @param isCuda whether it says that it computes on a GPU
 * @returns its path
 */
export function fullGpu(
  dir: string,
  most: number,
  message = "OOM when allocating tensor with shape[' + n + ',2,2,2] and type float",
  isCuda = false,
): string {
  const path = join(dir, 'full-gpu.cjs');
  writeFileSync(
    path,
    `const dlopen = process.dlopen;
    const images = new Map();
    let latest = 0;
    const refuse = (n) => {
      if (n > ${most}) throw new Error('${message}');
    };
    process.dlopen = function (module, file, ...rest) {
      dlopen.call(process, module, file, ...rest);
      if (!file.endsWith('tfjs_binding.node')) return;
      const real = module.exports;
      const own = {
        ...(${isCuda} && { isUsingGpuDevice: () => true }),
        createTensor(shape, ...args) {
          const id = real.createTensor(shape, ...args);
          images.set(id, shape[0]);
          if (shape.length === 4 && shape[3] === 3) latest = shape[0];
          return id;
        },
        runSavedModel(id, inputs, ...args) {
          refuse(images.get(inputs[0]));
          return real.runSavedModel(id, inputs, ...args);
        },
        executeOp(name, ...args) {
          if (name === 'Conv2D') refuse(latest);
          return real.executeOp(name, ...args);
        },
      };
      module.exports = new Proxy({}, { get: (_, key) => own[key] ?? real[key] });
    };`,
  );
  return path;
}
