import { EngineError } from '../errors.ts';
import type { DeviceChoice } from '../runtime/choose-device.ts';
import { loadOperations } from '../runtime/operations.ts';
import type { ConvolutionKind } from './engine.ts';
import type { StartMessage } from './protocol.ts';

/**
 * Whether the graph's 3×3 convolutions may be Winograd's. In the engine process, once the library is
 * loaded: our operations are registered with it here.
 * @throws EngineError when `--conv winograd` is not possible
 */
export function chooseConvolution(
  { conv, engine, precision, threads }: StartMessage,
  { device, runtime }: DeviceChoice,
): { readonly conv: ConvolutionKind; readonly convReason?: string } {
  if (conv === 'direct') return { conv };
  if (engine === 'eager' || device !== 'cpu' || precision !== 'fp32' || runtime === undefined) {
    if (conv === 'auto') return { conv: 'direct' };
    const found = `--engine ${engine}, --precision ${precision} on ${device}`;
    throw new EngineError(
      `Expected the graph engine in fp32 on the CPU for --conv winograd but found ${found}.`,
      { fix: 'Use --conv auto.' },
    );
  }
  const reason = loadOperations(runtime, { threads, isAsked: conv === 'winograd' });
  if (reason === undefined) return { conv: 'winograd' };
  if (conv === 'auto') return { conv: 'direct', convReason: reason };
  throw new EngineError(`Expected Winograd's convolutions for --conv winograd but ${reason}.`, {
    fix: 'Run `img2features setup`, or use --conv auto.',
  });
}
