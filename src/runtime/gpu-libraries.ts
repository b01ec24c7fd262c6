/** CUDA's libraries as TensorFlow 2.21 opens them: by these names, while it works, wherever the dynamic loader finds them. */

/** The first seven before it uses any GPU; the others are opened by cuDNN and cuSOLVER when they are needed. */
export const GPU_LIBRARIES: readonly string[] = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcudnn.so.9',
  'libcufft.so.11',
  'libcusolver.so.11',
  'libcusparse.so.12',
  'libcudnn_graph.so.9',
  'libcudnn_ops.so.9',
  'libcudnn_cnn.so.9',
  'libcudnn_heuristic.so.9',
  'libcudnn_engines_precompiled.so.9',
  'libcudnn_engines_runtime_compiled.so.9',
  'libnvrtc.so.12',
  'libnvJitLink.so.12',
];

/**
 * Opens a library in this process, whose environment must be `libraryEnvironment`.
 * @returns what the loader said when it could not
 */
export function tryToOpen(name: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, name);
  } catch (error) {
    const { message } = error as Error;
    // Node has opened it, found no addon in it and closed it again.
    return message.startsWith('Module did not self-register') ? undefined : message;
  }
  return undefined;
}
