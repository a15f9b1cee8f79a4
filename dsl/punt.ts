/** How many packets the router's own host stack gets: classes by how much the router depends on them (RFC 6192). */

/** The order in which they are served, best first: enum mill_punt_class of runtime/shm/state.h. */
export const puntClasses = ['bgp', 'ospf', 'arp', 'nd', 'local', 'ttl', 'exception'] as const;

export type PuntClass = (typeof puntClasses)[number];

/** Packets a second. */
export type PuntRates = Readonly<Record<PuntClass, number>>;

/** Together less than what one core hands to a Linux kernel frame by frame, so that no class waits behind better ones for good. */
export const usualPunt: PuntRates = Object.freeze({
  bgp: 10_000,
  ospf: 5_000,
  arp: 2_500,
  nd: 2_500,
  local: 20_000,
  ttl: 1_000,
  exception: 1_000,
});
