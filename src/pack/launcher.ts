export interface LauncherOptions {
  /** Of cli.js, inside the archive. */
  readonly cliPath: string;
  readonly hasNode: boolean;
  readonly hasRuntime: boolean;
}

export const NODE_PATH = 'node/bin/node';
export const LAUNCHER_PATH = 'bin/img2features';

/** `bin/img2features`: starts the program beside it, in any folder and without anything from the environment. */
export function launcher({ cliPath, hasNode, hasRuntime }: LauncherOptions): string {
  const node = hasNode ? `"$root/${NODE_PATH}"` : `"\${IMG2FEATURES_NODE:-node}"`;
  // The packed runtime is used; without one in the archive, another cache may have one.
  const cache = hasRuntime ? '$root/cache' : `\${IMG2FEATURES_CACHE:-$root/cache}`;
  return `#!/bin/sh
# img2features, from wherever this folder lies; made by "img2features pack".
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in
    /*) self=$link ;;
    *) self=\${self%/*}/$link ;;
  esac
done
case $self in
  */*) here=\${self%/*} ;;
  *) here=. ;;
esac
root=$(CDPATH= cd "$here/.." && pwd -P) || exit 2
IMG2FEATURES_CACHE="${cache}"
export IMG2FEATURES_CACHE
exec ${node} "$root/${cliPath}" "$@"
`;
}
