/** Random policies and packets near their rules, for the oracles of the analysis. */
import { join } from 'node:path';
import type { PacketPoint } from '../../../codegen/analysis/packet.js';
import { pointOf } from '../../../codegen/analysis/packet.js';
import { etherTypes, parseFrame, parseIpv4, parseIpv6 } from '../../../codegen/evaluate/parse.js';
import { linkOf, membersBy, type Seen, see } from '../../../codegen/evaluate/rules.js';
import type { Ir } from '../../../codegen/ir.js';
import { loadPolicy } from '../../../codegen/load/load.js';
import { lower } from '../../../codegen/lower.js';
import { builtinPredicate } from '../../../codegen/predicate/builtin.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import { makeFrames } from '../../../codegen/selftest/packets.js';
import { makeWorld } from '../../../codegen/selftest/world.js';
import type { Router } from '../../../dsl/model.js';
import { conditionsPolicy, listedContents } from '../../oracle/conditions.js';
import { randomPolicy } from '../../oracle/random-policy.js';
import { patient, withFiles } from '../policy.js';

/** The predicates that random policies name. */
export async function randomPredicates(): Promise<readonly PredicateExpr[]> {
  const loaded = await withFiles({ 'policy.ts': conditionsPolicy }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
  return [...loaded.predicates, builtinPredicate];
}

export function lowered(router: Router, predicates: readonly PredicateExpr[]): Ir {
  const rest = { files: [], policyHash: '', warnings: [], root: '/' };
  return lower({ router, predicates, contents: listedContents, ...rest });
}

export function randomIr(seed: number, predicates: readonly PredicateExpr[]): Ir {
  return lowered(randomPolicy(seed), predicates);
}

export interface Drawn {
  readonly seen: Seen;
  readonly point: PacketPoint;
}

/** IP packets near the rules of the policy, as frames that were parsed. */
export function drawnPackets(ir: Ir, frames: number, seed = 1): readonly Drawn[] {
  return makeFrames(ir, makeWorld(ir), { frames, seed }).flatMap(({ bytes }) => {
    const frame = parseFrame(bytes, 4);
    if (frame === undefined) return [];
    const payload = bytes.subarray(frame.network);
    const packet =
      frame.etherType === etherTypes.ipv4
        ? parseIpv4(payload)
        : frame.etherType === etherTypes.ipv6
          ? parseIpv6(payload)
          : undefined;
    if (packet === undefined || typeof packet === 'string') return [];
    const seen = see(packet, linkOf(frame), membersBy(ir.contents, packet));
    return [{ seen, point: pointOf(seen) }];
  });
}
