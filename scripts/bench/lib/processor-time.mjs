/**
 * Milliseconds of processor time that `work` takes in this process, its threads included: on a shared machine it says
 * more than the clock.
 * @param {() => unknown} work
 */
export async function processorMs(work) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Seconds by the clock. @param {() => unknown} work */
export async function clockSeconds(work) {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

/** So many results, after one that warms up and is not counted. @param {number} count @param {() => Promise<number>} measureOnce */
export async function repeated(count, measureOnce) {
  await measureOnce();
  const found = [];
  for (let i = 0; i < count; i++) found.push(await measureOnce());
  return found;
}
