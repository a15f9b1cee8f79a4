/** Interfaces and ports as C: how a frame finds its logical interface, and what happens to it there. */

import type { Encapsulation } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { IrInterface, IrList, IrPort } from '../ir.js';
import { tagsOf } from '../tags.js';
import { listFunction } from './list-functions.js';
import { canMatch } from './lists.js';
import { comment, fill, parameters, tab } from './text.js';

export interface InterfaceView {
  /** Of a port whose packets are judged one by one. */
  readonly accepts: readonly {
    readonly function: string;
    readonly inlined: string;
    readonly parameters: string;
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
  readonly function: string;
  /** Tags that an interface of the port has at most. */
  readonly depth: number;
  readonly first: string;
  readonly cases: readonly { readonly tags: string; readonly accept: string }[];
}

export interface PortView {
  readonly function: string;
  readonly enumerator: string;
  readonly title: string;
  /** One of the two has an element. */
  readonly untagged: readonly {
    /** The port's one interface, looked up once a burst. */
    readonly face: string;
  }[];
  readonly tagged: readonly DemuxView[];
  /** Whether a packet comes in. */
  readonly enters: string;
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
  /** Where every packet goes by the FIB, and no `out` ACL judges it; else `turned`. */
  readonly straight: readonly Record<string, never>[];
  readonly turned: readonly { readonly forward: string }[];
}

/** What asks a list about whole bursts, where it is long. */
export type Together = ReadonlyMap<IrList, readonly { readonly ask: string }[]>;

/** One of the port's lists is asked about whole bursts. */
export function isTogether(port: IrPort, together: Together): boolean {
  return port.interfaces.some(({ acl }) => acl !== undefined && together.get(acl)!.length > 0);
}

/** All frames of the port come in by its one interface. */
export function isUntagged(port: IrPort): boolean {
  return depthOf(port) === 0;
}

const depthOf = (port: IrPort) => Math.max(...port.interfaces.map((one) => tagsOf(one.encapsulation).length));

/**
 * @param untagged alone on its port
 * @param judged when all of a burst has entered
 */
export function interfaceView(one: IrInterface, untagged: boolean, judged: boolean): InterfaceView {
  const entered = enter(one, untagged);
  const inlined = untagged ? hot : 'static';
  const accepted = one.acl ? fill([entered, judge(one.acl)], '&&', tab + 7, 1) : entered;
  const title = comment(`${one.name}, ${place(one.origin)}`);
  return {
    accepts: judged
      ? []
      : [
          {
            function: one.function,
            inlined,
            parameters: arriving(`${inlined} bool accept_${one.function}(`, untagged),
            title,
            accepted,
          },
        ],
    diverts: divertsOf(one),
  };
}

/** How all frames of an untagged port are told by which interface they came in. */
const enter = (one: IrInterface, untagged: boolean) =>
  untagged ? 'mill_enter(w, p, face)' : `mill_enter_tagged(w, p, ${face(one)})`;

const face = ({ enumerator, urpf }: IrInterface) =>
  urpf ? `mill_face_urpf(w, ${enumerator}, MILL_URPF_${urpf.toUpperCase()})` : `mill_face(w, ${enumerator})`;

const judge = (acl: IrList) => `${listFunction(acl)}(w, p)`;

/** The gateway of the ACL first, then the PBR list's: who cannot be reached is as good as not named. */
function divertsOf(one: IrInterface): InterfaceView['diverts'] {
  const byAcl = 'mill_gateway_path(w, p, p->gateway)';
  const byPbr = `mill_gateway_path(w, p, pbr_${one.pbr?.function}(w, p))`;
  if (!diverts(one)) return [];
  const named = {
    name: one.function,
    parameters: parameters(`static const struct mill_adjacency *divert_${one.function}(`, [worker, packet]),
  };
  if (!namesGateways(one)) return [{ ...named, first: [], path: byPbr }];
  if (!hasPbr(one)) return [{ ...named, first: [], path: byAcl }];
  return [{ ...named, first: [{ path: byAcl }], path: `path != NULL ? path : ${byPbr}` }];
}

/** Part of a port's loop. */
const hot = 'MILL_HOT';

const worker = 'struct mill_worker *w';
const packet = 'struct mill_packet *p';

const arriving = (before: string, untagged: boolean) =>
  parameters(before, [worker, packet, ...(untagged ? ['struct mill_face face'] : [])]);

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
    ...demux(port, isTogether(port, together)),
    ...judgement(port, together),
    chooses: chosen
      ? [
          {
            name: port.function,
            parameters: parameters(`static const struct mill_adjacency *choose_${port.function}(`, [
              worker,
              packet,
            ]),
            cases: diverting.map((one) => ({ enumerator: one.enumerator, divert: `divert_${one.function}` })),
          },
        ]
      : [],
    ...leaving(diverting.length === 0 ? undefined : `${divert}(w, p)`, judges),
  };
}

function leaving(chosen: string | undefined, judges: boolean): Pick<PortView, 'straight' | 'turned'> {
  if (judges) {
    const forward = `mill_forward_judged(w, &burst, p, path, ${chosen ?? 'NULL'}, leave)`;
    return { straight: [], turned: [{ forward }] };
  }
  return chosen === undefined
    ? { straight: [{}], turned: [] }
    : { straight: [], turned: [{ forward: `mill_forward(w, &burst, p, path, ${chosen})` }] };
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
function demux(port: IrPort, judged: boolean): Pick<PortView, 'untagged' | 'tagged' | 'enters'> {
  const accept = (one: IrInterface, untagged: boolean) =>
    judged ? enter(one, untagged) : `accept_${one.function}(w, p${untagged ? ', face' : ''})`;
  if (isUntagged(port)) {
    const one = port.interfaces[0]!;
    return { untagged: [{ face: face(one) }], tagged: [], enters: accept(one, true) };
  }
  const cases = port.interfaces.map((one) => ({
    tags: tags(one.encapsulation),
    accept: accept(one, false),
  }));
  const found = {
    function: port.function,
    depth: depthOf(port),
    first: port.interfaces[0]!.enumerator,
    cases,
  };
  return { untagged: [], tagged: [found], enters: `classify_${port.function}(w, p)` };
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
