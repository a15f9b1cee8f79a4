/** Interfaces and ports as C: how a frame finds its logical interface, and what happens to it there. */

import type { Encapsulation } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { IrInterface, IrList, IrPort } from '../ir.js';
import { tagsOf } from '../tags.js';
import { canMatch, listFunction } from './lists.js';
import { comment, fill, tab, width } from './text.js';

export interface InterfaceView {
  /** Of a port whose packets are judged one by one. */
  readonly accepts: readonly {
    readonly function: string;
    readonly title: string;
    readonly accepted: string;
  }[];
  readonly diverts: readonly {
    readonly name: string;
    readonly parameters: string;
    readonly first: readonly { readonly path: string }[];
    readonly path: string;
  }[];
}

interface DemuxView {
  readonly first: string;
  readonly cases: readonly { readonly tags: string; readonly accept: string }[];
}

export interface PortView {
  readonly function: string;
  readonly enumerator: string;
  readonly title: string;
  readonly first: string;
  /** Tags that an interface of the port has at most. */
  readonly depth: number;
  /** One of the two has an element. */
  readonly untagged: readonly { readonly accept: string }[];
  readonly tagged: readonly DemuxView[];
  /** What becomes of a packet of the port's interfaces. */
  readonly taken: string;
  /** One element where a burst is judged when all of it has entered. */
  readonly together: readonly {
    readonly lists: readonly { readonly ask: string }[];
    readonly accept: string;
  }[];
  readonly judges: readonly {
    readonly name: string;
    readonly cases: readonly { readonly enumerator: string; readonly accept: string }[];
  }[];
  readonly chooses: readonly {
    readonly parameters: string;
    readonly name: string;
    readonly cases: readonly { readonly enumerator: string; readonly divert: string }[];
  }[];
  readonly send: string;
}

/** What asks a list about whole bursts, where it is long. */
export type Together = ReadonlyMap<IrList, readonly { readonly ask: string }[]>;

/** One of the port's lists is asked about whole bursts. */
export function isTogether(port: IrPort, together: Together): boolean {
  return port.interfaces.some(({ acl }) => acl !== undefined && together.get(acl)!.length > 0);
}

/** @param judged when all of a burst has entered */
export function interfaceView(one: IrInterface, judged: boolean): InterfaceView {
  const accepted = one.acl ? fill([enter(one), judge(one.acl)], '&&', tab + 7, 1) : enter(one);
  const title = comment(`${one.name}, ${place(one.origin)}`);
  return {
    accepts: judged ? [] : [{ function: one.function, title, accepted }],
    diverts: divertsOf(one),
  };
}

function enter(one: IrInterface): string {
  return one.urpf
    ? `mill_enter_urpf(w, p, ${one.enumerator}, MILL_URPF_${one.urpf.toUpperCase()})`
    : `mill_enter(w, p, ${one.enumerator})`;
}

const judge = (acl: IrList) => `${listFunction(acl)}(w, p)`;

/** The gateway of the ACL first, then the PBR list's: who cannot be reached is as good as not named. */
function divertsOf(one: IrInterface): InterfaceView['diverts'] {
  const byAcl = 'mill_gateway_path(w, p, p->gateway)';
  const byPbr = `mill_gateway_path(w, p, pbr_${one.pbr?.function}(w, p))`;
  if (!diverts(one)) return [];
  const named = {
    name: one.function,
    parameters: parameters(`static const struct mill_adjacency *divert_${one.function}(`),
  };
  if (!namesGateways(one)) return [{ ...named, first: [], path: byPbr }];
  if (!hasPbr(one)) return [{ ...named, first: [], path: byAcl }];
  return [{ ...named, first: [{ path: byAcl }], path: `path != NULL ? path : ${byPbr}` }];
}

/** On the line that begins with `before`, or aligned below. */
function parameters(before: string): string {
  const worker = 'struct mill_worker *w,';
  const packet = 'struct mill_packet *p';
  const whole = `${worker} ${packet}`;
  return before.length + whole.length + 1 <= width
    ? whole
    : `${worker}\n${' '.repeat(before.length)}${packet}`;
}

/** Its ACL has a nexthop rule that some packet can match. */
function namesGateways(one: IrInterface): boolean {
  const { rules = [] } = one.acl ?? {};
  return rules.some((rule) => Object.values(rule.conditions).some((of) => of.gateway !== undefined));
}

function hasPbr(one: IrInterface): boolean {
  return one.pbr !== undefined && canMatch(one.pbr);
}

function diverts(one: IrInterface): boolean {
  return hasPbr(one) || namesGateways(one);
}

/** @param judges some interface of the router has an `out` ACL */
export function portView(port: IrPort, judges: boolean, together: Together): PortView {
  const first = port.interfaces[0];
  if (first === undefined) throw new Error(`port ${port.name} carries no interface`);
  const diverting = port.interfaces.filter(diverts);
  const chosen = port.interfaces.length > 1 && diverting.length > 0;
  const divert = chosen ? `choose_${port.function}` : `divert_${first.function}`;
  return {
    function: port.function,
    enumerator: port.enumerator,
    title: comment(`port ${port.name}, ${port.spec}, ${place(port.origin)}`),
    first: first.enumerator,
    ...demux(port, isTogether(port, together)),
    ...judgement(port, together),
    chooses: chosen
      ? [
          {
            name: port.function,
            parameters: parameters(`static const struct mill_adjacency *choose_${port.function}(`),
            cases: diverting.map((one) => ({ enumerator: one.enumerator, divert: `divert_${one.function}` })),
          },
        ]
      : [],
    send: send(diverting.length === 0 ? undefined : `${divert}(w, p)`, judges),
  };
}

function send(chosen: string | undefined, judges: boolean): string {
  if (judges) return `mill_forward_judged(w, rx, p, path, ${chosen ?? 'NULL'}, leave)`;
  return chosen === undefined
    ? 'mill_send(w, rx, p, path, false)'
    : `mill_forward(w, rx, p, path, ${chosen})`;
}

export interface LeaveView {
  readonly cases: readonly { readonly enumerator: string; readonly call: string }[];
}

/** One element where an interface has an `out` ACL. */
export function leaveView(interfaces: readonly IrInterface[]): readonly LeaveView[] {
  const cases = interfaces.flatMap(({ out, enumerator }) =>
    out === undefined ? [] : [{ enumerator, call: `${listFunction(out)}(w, p)` }],
  );
  return cases.length === 0 ? [] : [{ cases }];
}

/** A burst is judged packet by packet as it comes, or all of it when its long lists have been asked. */
function judgement(port: IrPort, together: Together): Pick<PortView, 'taken' | 'together' | 'judges'> {
  if (!isTogether(port, together))
    return { taken: 'mill_burst_keep(w, &burst, p)', together: [], judges: [] };
  const judging = port.interfaces.flatMap(({ acl, enumerator }) => (acl ? [{ acl, enumerator }] : []));
  const lists = [...new Set(judging.map(({ acl }) => acl))].flatMap((acl) => together.get(acl)!);
  const [only] = judging;
  const alone = only !== undefined && port.interfaces.length === 1;
  return {
    taken: 'mill_burst_enter(&burst)',
    together: [{ lists, accept: alone ? judge(only.acl) : `judge_${port.function}(w, p)` }],
    judges: alone
      ? []
      : [
          {
            name: port.function,
            cases: judging.map(({ acl, enumerator }) => ({ enumerator, accept: judge(acl) })),
          },
        ],
  };
}

/** A port reads only as many tags as its interfaces have. */
function demux(port: IrPort, judged: boolean): Pick<PortView, 'depth' | 'untagged' | 'tagged'> {
  const accept = (one: IrInterface) => (judged ? enter(one) : `accept_${one.function}(w, p)`);
  const depth = Math.max(...port.interfaces.map((one) => tagsOf(one.encapsulation).length));
  if (depth === 0) return { depth, untagged: [{ accept: accept(port.interfaces[0]!) }], tagged: [] };
  const cases = port.interfaces.map((one) => ({
    tags: tags(one.encapsulation),
    accept: accept(one),
  }));
  return { depth, untagged: [], tagged: [{ first: port.interfaces[0]!.enumerator, cases }] };
}

function tags(encapsulation: Encapsulation): string {
  switch (encapsulation.kind) {
    case 'untagged':
      return 'MILL_UNTAGGED';
    case 'vlan':
      return tag(encapsulation.tpid, encapsulation.id);
    default:
      return `MILL_TAGS(${tag(encapsulation.outer.tpid, encapsulation.outer.id)}, ${tag(
        encapsulation.inner.tpid,
        encapsulation.inner.id,
      )})`;
  }
}

function tag(tpid: number, id: number): string {
  return `MILL_TAG(0x${tpid.toString(16)}, ${id})`;
}
