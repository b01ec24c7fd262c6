/** For what runs outside of this repository with a copy of scripts/ and dist/: the way to a GPU machine draws its images with it. */
export { CLASSES, drawImage, writeDataset } from '../dist/demo/draw-images.js';
