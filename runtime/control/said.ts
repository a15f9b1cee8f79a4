/** What the engine says by itself on an interface; the order is that of enum mill_said in runtime/shm/state.h. */
export const saidKinds: readonly string[] = [
  'arp-request',
  'arp-reply',
  'neighbour-solicitation',
  'neighbour-advertisement',
  'echo-reply',
  'unreachable',
  'too-big',
  'time-exceeded',
  'parameter-problem',
  'withheld',
  'listener-report',
];
