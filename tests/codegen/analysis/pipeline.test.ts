/** A router over sets of packets against the evaluator, frame by frame; and the difference of two routers. */
import test from 'ava';
import { contains, pointOf } from '../../../codegen/analysis/packet.js';
import { type Judged, makePipeline } from '../../../codegen/analysis/pipeline.js';
import { size } from '../../../codegen/analysis/sets.js';
import { makeSpace } from '../../../codegen/analysis/space.js';
import { evaluateFrame } from '../../../codegen/evaluate/evaluate.js';
import type { Fate, Outcome } from '../../../codegen/evaluate/outcome.js';
import { etherTypes, parseFrame, parseIpv4, parseIpv6 } from '../../../codegen/evaluate/parse.js';
import type { Path, Paths } from '../../../codegen/evaluate/paths.js';
import { linkOf, membersBy, see } from '../../../codegen/evaluate/rules.js';
import type { Ir } from '../../../codegen/ir.js';
import { packetChanges } from '../../../codegen/plan/packet-changes.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import { makeFrames } from '../../../codegen/selftest/packets.js';
import { randomOf } from '../../../codegen/selftest/random.js';
import { makeWorld } from '../../../codegen/selftest/world.js';
import { treatmentOf } from '../../../codegen/treatment.js';
import type { Acl, LogicalInterface, Router } from '../../../dsl/model.js';
import { randomPolicy } from '../../oracle/random-policy.js';
import { lowered, randomPredicates } from './random.js';

let predicates: readonly PredicateExpr[];

test.before(async () => {
  predicates = await randomPredicates();
});

const forward = (iface: number, last: number): Path => ({
  kind: 'forward',
  iface,
  mac: Uint8Array.of(2, 0, 0, 0, 0, last),
});

/** Only what the policy itself knows: the router's addresses, a default route, and gateways told apart by their MAC. */
function knownPaths(ir: Ir): Paths {
  const { faces, routes } = makeWorld(ir);
  const own = ir.router.interfaces.flatMap((face) => face.addresses);
  return {
    faces: faces.map((face) => ({ ...face, mtu: 70000, up: true, host: true })),
    routes: [
      ...routes.filter(
        ({ path, prefix }) =>
          path.kind === 'broadcast' ||
          (path.kind === 'local' &&
            own.some(
              (one) => one.family === prefix.family && one.bits === prefix.bits && prefix.length >= 32,
            )),
      ),
      ...([4, 6] as const).map((family) => ({
        prefix: { family, bits: 0n, length: 0 },
        path: forward(0, 200),
      })),
    ],
    gateways: ir.gateways.map((one) => forward(0, one.local)),
  };
}

/** The evaluator's verdict in the words of the analysis; undefined: not of its matter (TTL, link-local, group frames). */
function fateOf(ir: Ir, fate: Fate): string | undefined {
  switch (fate.verdict) {
    case 'drop':
      if (fate.reason === 'acl') return 'denied';
      return fate.reason.startsWith('martian') ? 'martian' : undefined;
    case 'punt':
      return fate.class === 'ttl' || fate.class === 'exception' ? undefined : 'host';
    case 'forward': {
      const mac = fate.frame[5]!;
      return mac === 200 ? 'routed' : `diverted ${ir.gateways[mac]!.text}`;
    }
    default:
      return undefined;
  }
}

/** And what the rules that took it do with it besides. */
function wayOf(ir: Ir, { fate, rules }: Outcome): string | undefined {
  const kind = fateOf(ir, fate);
  if (kind === undefined || kind === 'martian') return kind;
  const took = rules.map((local) => ir.rules.find((rule) => rule.local === local)!);
  return `${kind}, ${treatmentOf(took, fate.verdict === 'forward')}`;
}

const isIp = (type: number) => type === etherTypes.ipv4 || type === etherTypes.ipv6;

/** Here every gateway answers. */
const textOf = ({ fate }: Judged) =>
  fate.kind === 'diverted' ? `diverted ${fate.gateway.replace(/ or drop$/, '')}` : fate.kind;

test('all packets together fare as each of them does', (t) => {
  const seen = new Map<string, number>();
  for (const seed of [1, 2, 3, 5, 6, 7, 9, 11, 12]) {
    const ir = lowered(randomPolicy(seed), predicates);
    if (ir.rules.length > 150) continue;
    const paths = knownPaths(ir);
    const pipes = { 4: makePipeline(ir, makeSpace(4)), 6: makePipeline(ir, makeSpace(6)) };
    const judged = new Map<string, readonly Judged[]>();
    for (const { port, bytes } of makeFrames(ir, makeWorld(ir), { frames: 500, seed })) {
      const frame = parseFrame(bytes, 4);
      const outcome = evaluateFrame(ir, ir.ports[port]!, bytes, paths);
      const expected = fateOf(ir, outcome.fate);
      if (expected === undefined || frame === undefined || (bytes[0]! & 1) === 1) continue;
      const payload = bytes.subarray(frame.network);
      const packet = frame.etherType === etherTypes.ipv4 ? parseIpv4(payload) : parseIpv6(payload);
      if (typeof packet === 'string' || !isIp(frame.etherType)) continue;
      const point = pointOf(see(packet, linkOf(frame), membersBy(ir.contents, packet)));
      const pipe = pipes[point.family];
      const iface = ir.interfaces[outcome.iface]!;
      const key = `${iface.name} ${point.family}`;
      if (!judged.has(key)) {
        const all = pipe.judge(iface, pipe.arriving(iface), { spend: () => undefined });
        judged.set(key, all);
        t.is(
          size(
            pipe.space,
            all.map((one) => one.block),
          ),
          size(pipe.space, pipe.arriving(iface)),
          'no packet is lost or told twice',
        );
      }
      const found = judged.get(key)!.filter((one) => contains(pipe.space, [one.block], point));
      t.deepEqual(found.map(textOf), [expected], `seed ${seed} ${key}`);
      seen.set(expected.split(' ')[0]!, (seen.get(expected.split(' ')[0]!) ?? 0) + 1);
    }
  }
  for (const kind of ['denied', 'martian', 'host', 'routed', 'diverted'])
    t.true((seen.get(kind) ?? 0) > 10, `${kind}: ${seen.get(kind)}`);
});

/** Another version: rules dropped, moved and repeated, a default turned, an address changed. */
function changed(given: Router, seed: number): Router {
  const random = randomOf(seed);
  const lists = new Map<Acl, Acl>();
  const other = (list: Acl): Acl => {
    const rules = [...list.rules];
    for (let i = 0; i < 2; i++) {
      const at = random.below(rules.length + 1);
      const [rule] = rules.splice(at, 1);
      if (rule && random.once(2)) rules.splice(random.below(rules.length + 1), 0, rule);
    }
    const turned = random.once(4) ? (list.default === 'deny' ? 'allow' : 'deny') : list.default;
    return { ...list, rules, default: turned };
  };
  const interfaces = given.interfaces.map((one): LogicalInterface => {
    if (one.in && !lists.has(one.in)) lists.set(one.in, other(one.in));
    const addresses = one.addresses.map((address) =>
      random.once(6) ? { ...address, bits: address.bits + 1n } : address,
    );
    return { ...one, addresses, ...(one.in && { in: lists.get(one.in)! }) };
  });
  return { ...given, interfaces };
}

test('what changes between two versions is what fares differently in them', (t) => {
  let differing = 0;
  let changes = 0;
  for (let seed = 1; seed <= 14; seed++) {
    const router = randomPolicy(seed);
    const [old, fresh] = [router, changed(router, seed)].map((one) => lowered(one, predicates)) as [Ir, Ir];
    if (old.rules.length > 150) continue;
    const found = packetChanges(old, fresh);
    t.deepEqual(found.undecided, []);
    t.deepEqual(packetChanges(old, old).changes, []);
    changes += found.changes.length;
    const [before, after] = [knownPaths(old), knownPaths(fresh)];
    for (const { port, bytes } of [
      ...makeFrames(old, makeWorld(old), { frames: 300, seed }),
      ...makeFrames(fresh, makeWorld(fresh), { frames: 300, seed: seed + 100 }),
    ]) {
      const frame = parseFrame(bytes, 4);
      if (frame === undefined || (bytes[0]! & 1) === 1) continue;
      const outcome = evaluateFrame(old, old.ports[port]!, bytes, before);
      const [a, b] = [
        wayOf(old, outcome),
        wayOf(fresh, evaluateFrame(fresh, fresh.ports[port]!, bytes, after)),
      ];
      if (a === undefined || b === undefined) continue;
      const payload = bytes.subarray(frame.network);
      const packet = frame.etherType === etherTypes.ipv4 ? parseIpv4(payload) : parseIpv6(payload);
      if (typeof packet === 'string' || !isIp(frame.etherType)) continue;
      const point = pointOf(see(packet, linkOf(frame), membersBy(old.contents, packet)));
      const iface = old.interfaces[outcome.iface]!.name;
      const told = found.changes.filter(
        (one) =>
          one.interface === iface && one.family === point.family && contains(one.space, one.set, point),
      );
      if (a !== b) differing++;
      t.is(told.length, a === b ? 0 : 1, `seed ${seed} ${iface}: ${a} > ${b}`);
    }
  }
  t.true(changes > 20 && differing > 20, `${changes} changes, ${differing} packets`);
});
