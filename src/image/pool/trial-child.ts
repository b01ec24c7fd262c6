import { decodeAndResize } from '../decode-and-resize.ts';
import { DecodeError } from '../decode-error.ts';
import { loadSharp } from '../formats/decode-with-sharp.ts';
import { readImageFile } from '../read-image-file.ts';
import type { TrialReply, TrialRequest } from './try-alone.ts';

// The entry of a process that decodes images that may have caused a crash, one after the other. Its results
// are discarded: all that counts is whether it still runs.
await loadSharp();
process.on('message', async ({ task, options }: TrialRequest) => {
  try {
    await decodeAndResize(task.bytes ?? readImageFile(task.path!, options.maxPixels), options);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
  say('done');
});
say('ready');

function say(reply: TrialReply): void {
  process.send?.(reply);
}
