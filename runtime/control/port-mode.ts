/** How a port is served, in words: what decides what a packet costs there. */
import type { EngineConfiguration, StateView } from '../native/engine.js';

/**
 * Of an `xdp:` port that is open: where its program runs, whether packets are copied, who polls (`not polled`: its workers should, and cannot),
 * and its queues when they are chosen.
 */
export function modeOf(
  port: Pick<EngineConfiguration['ports'][number], 'spec' | 'queues' | 'busyPoll'>,
  state: Pick<ReturnType<StateView['port']>, 'open' | 'native' | 'zeroCopy' | 'polled'>,
): readonly string[] {
  if (!port.spec.startsWith('xdp:') || !state.open) return [];
  return [
    state.native ? 'native' : 'generic',
    state.zeroCopy ? 'zero-copy' : 'copy',
    ...(state.polled ? ['polled'] : port.busyPoll ? ['not polled'] : []),
    ...(port.queues.length > 0 ? [`queues ${port.queues.join(' ')}`] : []),
  ];
}
