/** Our own operations for 3×3 convolutions (native/winograd/operations.cc) as nodes. */
import type { GraphBuilder, Value } from './graph-builder.ts';
import { PANEL, type Weights } from './separable-nodes.ts';

export const WINOGRAD_OP = 'Img2FeaturesWinogradConv2D';
const KERNEL_OP = 'Img2FeaturesWinogradKernel';

/** With fewer channels in or out the transforms cost what the products save. */
export const WINOGRAD_CHANNELS = 16;

/** Points of a transformed kernel, and output channels that are stored together in it (native/winograd/winograd.h). */
const POINTS = 36;

export interface WinogradConvolution extends Weights {
  readonly isRectified: boolean;
  /** Whether of each 2×2 only the largest is left. */
  readonly isPooled: boolean;
}

/** 3×3, stride 1, the size kept, bias added; the kernel is transformed once, when it is restored. */
export function addWinograd(
  builder: GraphBuilder,
  name: string,
  input: Value,
  { kernel, bias, channels: [into, out], isRectified, isPooled }: WinogradConvolution,
): Value {
  const prepared = { op: KERNEL_OP, shape: [POINTS, Math.ceil(out / PANEL), into, PANEL] };
  const transformed = builder.weight(`${name}/kernel`, [3, 3, into, out], kernel, { prepared });
  const added = builder.weight(`${name}/bias`, [out], bias);
  const inputs = [builder.toFloat(input), transformed, added];
  const attributes = { relu: { bool: isRectified }, pool: { bool: isPooled } };
  return { name: builder.add(WINOGRAD_OP, name, inputs, attributes), isFloat: true };
}
