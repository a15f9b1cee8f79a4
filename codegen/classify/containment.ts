/** Which tests of protocol and ports take all that others take. */
import type { PortRange } from '../../dsl/model.js';
import type { PortTest } from './input.js';

/** Does test a take nothing that test b does not take? */
export function containment(tests: readonly PortTest[]): (a: number, b: number) => boolean {
  const boxes = tests.map(boxOf);
  return (a, b) => {
    if (a === b) return true;
    const [inner, outer] = [boxes[a], boxes[b]];
    return inner && outer ? isWithin(inner, outer) : inside(tests[a]!, tests[b]!);
  };
}

const everyPort: PortRange = { from: 0, to: 0xffff };
/** Whatever a header says, and where it was not read. */
const anything: PortRange = { from: -1, to: 0x10000 };
const everyProtocol: PortRange = { from: 0, to: 0xff };

/** Most tests are a range of protocols, of ports, and of source ports: pairs of them are asked by the million. */
type Box = readonly [PortRange, PortRange, PortRange];

function boxOf({ alternatives, sources = [everyPort] }: PortTest): Box | undefined {
  const [one, more] = alternatives;
  if (one === undefined || more !== undefined || sources.length !== 1) return undefined;
  const { proto, ranges = [anything] } = one;
  if (ranges.length !== 1) return undefined;
  const protocols = proto === undefined ? everyProtocol : { from: proto, to: proto };
  return [protocols, ranges[0]!, sources[0]!];
}

function isWithin(inner: Box, outer: Box): boolean {
  return holds(outer[0], inner[0]) && holds(outer[1], inner[1]) && holds(outer[2], inner[2]);
}

function holds(outer: PortRange, inner: PortRange): boolean {
  return outer.from <= inner.from && inner.to <= outer.to;
}

function inside(a: PortTest, b: PortTest): boolean {
  return (
    covers(b.sources ?? [everyPort], a.sources ?? [everyPort]) &&
    a.alternatives.every((one) =>
      b.alternatives.some(
        (other) =>
          (other.proto === undefined || other.proto === one.proto) &&
          (other.ranges === undefined || (one.ranges !== undefined && covers(other.ranges, one.ranges))),
      ),
    )
  );
}

function covers(outer: readonly PortRange[], inner: readonly PortRange[]): boolean {
  return inner.every((one) => outer.some((other) => holds(other, one)));
}
