/** A filter of a ClassBench set as a policy's rule, so far as a policy can say it. */
import { nets, tcp, udp } from '../dsl/index.js';
import type { Filter } from './classbench.js';

export function matchOf({ from, to, ports, proto }: Filter) {
  const service = proto === 6 ? tcp : proto === 17 ? udp : undefined;
  const range = `${ports.from}-${ports.to}` as const;
  return {
    ...(from.endsWith('/0') ? {} : { from: nets(network(from)) }),
    ...(to.endsWith('/0') ? {} : { to: nets(network(to)) }),
    ...(service && { service: service(range) }),
  };
}

/** ClassBench leaves bits behind the prefix. */
function network(text: string): '10.0.0.0/8' {
  const [address, size] = text.split('/');
  const length = Number(size);
  const bits = address!.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  const whole = Math.floor(bits / 2 ** (32 - length)) * 2 ** (32 - length);
  return `${[24, 16, 8, 0].map((shift) => (whole / 2 ** shift) & 255).join('.')}/${length}` as '10.0.0.0/8';
}
