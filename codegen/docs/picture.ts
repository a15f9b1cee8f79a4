/** The picture of a router: ports, the interfaces on them with their lists, and the ways that PBR sends packets. */
import { contains, formatAddress, formatPrefix, network } from '../../dsl/address.js';
import type { Address, Pbr, Router } from '../../dsl/model.js';
import { tagText } from '../plan/settings-changes.js';
import { listId } from './ids.js';

export interface Face {
  readonly name: string;
  readonly tags: string;
  readonly addresses: readonly string[];
  readonly lists: readonly FaceList[];
}

/** `in: from-wan`, and the section about it. */
export interface FaceList {
  readonly text: string;
  readonly to: string;
}

export interface PictureWay {
  readonly list: string;
  readonly from: readonly string[];
  readonly gateway: string;
  /** Interface that the gateway is on, if the policy says so. */
  readonly by: string | undefined;
}

export interface Picture {
  readonly router: string;
  readonly ports: readonly {
    readonly name: string;
    readonly spec: string;
    readonly faces: readonly Face[];
  }[];
  readonly ways: readonly PictureWay[];
}

export function pictureOf(router: Router): Picture {
  return {
    router: router.name,
    ports: router.ports.map(({ name, spec }) => ({
      name,
      spec,
      faces: router.interfaces
        .filter((one) => one.port === name)
        .map((one) => ({
          name: one.name,
          tags: tagText(one.encapsulation),
          addresses: one.addresses.map(formatPrefix),
          lists: (['in', 'out', 'pbr'] as const).flatMap((side) =>
            one[side] ? [{ text: `${side}: ${one[side].name}`, to: listId(one[side]) }] : [],
          ),
        })),
    })),
    ways: waysOf(router),
  };
}

function waysOf(router: Router): readonly PictureWay[] {
  const lists = new Map<string, Pbr>();
  for (const { pbr } of router.interfaces) if (pbr) lists.set(pbr.name, pbr);
  return [...lists.values()].flatMap((list) => {
    const gateways = new Map(
      list.rules
        .flatMap(({ action }) => (action.kind === 'nexthop' ? action.gateways : []))
        .map((one) => [formatAddress(one), one]),
    );
    const from = router.interfaces.filter((one) => one.pbr?.name === list.name).map((one) => one.name);
    return [...gateways].map(([gateway, address]) => ({
      list: list.name,
      from,
      gateway,
      by: faceTowards(router, address),
    }));
  });
}

function faceTowards(router: Router, address: Address): string | undefined {
  return router.interfaces.find((one) => one.addresses.some((own) => contains(network(own), address)))?.name;
}
