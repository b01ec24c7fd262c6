import { spawn } from 'node:child_process';

/**
 * The program that shows a page; undefined where nobody would see it: no display, output into a file, CI.
 * @param isTerminal whether a person reads the output
 */
export function browserCommand(
  platform: string,
  env: Readonly<Record<string, string | undefined>>,
  isTerminal: boolean,
): string | undefined {
  if (!isTerminal || env.CI) return undefined;
  if (platform === 'darwin') return 'open';
  if (platform === 'win32') return 'explorer.exe';
  return env.DISPLAY || env.WAYLAND_DISPLAY ? 'xdg-open' : undefined;
}

/** @returns whether the program was started */
export function openPage(command: string | undefined, page: string): Promise<boolean> {
  if (command === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const child = spawn(command, [page], { detached: true, stdio: 'ignore' });
    child.on('error', () => resolve(false));
    child.on('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
}
