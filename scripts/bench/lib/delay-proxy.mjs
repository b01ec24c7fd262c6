import { connect, createServer } from 'node:net';

/**
 * A TCP proxy on this machine that passes each byte of an answer on after so many milliseconds, as a store that far
 * away; the rate is not limited.
 * @param {number} port of the server behind it, on the loopback interface
 * @param {number} delayMs
 * @returns {Promise<{ endpoint: string, stop: () => Promise<void> }>}
 */
export async function startDelayProxy(port, delayMs) {
  const sockets = new Set();
  const server = createServer((client) => {
    const behind = connect(port, '127.0.0.1');
    // Timers of one length fire in the order in which they were set: so do the pieces arrive.
    const later = (/** @type {() => void} */ pass) => setTimeout(pass, delayMs);
    for (const socket of [client, behind]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      sockets.add(socket);
    }
    client.pipe(behind);
    client.on('close', () => behind.destroy());
    behind.on('data', (piece) => later(() => client.write(piece)));
    behind.on('close', () => later(() => client.destroySoon()));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port: own } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const stop = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { endpoint: `http://127.0.0.1:${own}`, stop };
}
