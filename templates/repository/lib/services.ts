// What is offered, by name.
import { icmp, predicate, service, tcp, udp } from 'netmill';

export const web = service(tcp(80, 443), udp(443));
export const pings = icmp('echo-request', 'echo-reply', 'unreachable', 'too-big', 'time-exceeded');

/** No first packet of a connection; of UDP, what DNS and NTP answer. */
export const reply = predicate(
  'reply',
  (p) =>
    (p.l4 === 'tcp' && (p.flags.ack || p.flags.rst)) ||
    (p.l4 === 'udp' && (p.sport === 53 || p.sport === 123)),
);
