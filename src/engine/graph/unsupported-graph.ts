/** A network that the graph engine cannot run; the message completes "because …". */
export class UnsupportedGraph extends Error {
  override readonly name = 'UnsupportedGraph';
}
