/** What a network runs on: an NVIDIA GPU, the CPU by TensorFlow's library, or the CPU by WebAssembly. */
export type Device = 'cuda' | 'cpu' | 'wasm';
