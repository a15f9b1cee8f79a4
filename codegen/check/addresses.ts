/** Addresses of interfaces against each other. */
import { contains, formatAddress, formatPrefix, network } from '../../dsl/address.js';
import type { InterfaceAddress, LogicalInterface, Router } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error, warning } from './report.js';

interface Owned {
  readonly address: InterfaceAddress;
  readonly owner: LogicalInterface;
}

export function checkAddresses(router: Router): readonly Diagnostic[] {
  const all: readonly Owned[] = router.interfaces.flatMap((owner) =>
    owner.addresses.map((address) => ({ address, owner })),
  );
  return [...sameAddress(all), ...overlaps(all)];
}

function sameAddress(all: readonly Owned[]): readonly Diagnostic[] {
  return duplicates(all.filter(isGlobal), (one) => formatAddress(one.address)).map(([first, other]) =>
    error('NM4018', inside(other.owner.origin, 'address'), `${formatAddress(other.address)} is given twice`, {
      related: [
        { origin: inside(first.owner.origin, 'address'), message: `'${first.owner.name}' has it here.` },
      ],
    }),
  );
}

function overlaps(all: readonly Owned[]): readonly Diagnostic[] {
  return all.filter(isGlobal).flatMap((one, i) =>
    all
      .filter(isGlobal)
      .slice(0, i)
      .filter((other) => other.owner !== one.owner && one.address.bits !== other.address.bits)
      .filter((other) => overlap(one.address, other.address))
      .map((other) =>
        warning(
          'NM4018',
          inside(one.owner.origin, 'address'),
          `${formatPrefix(network(one.address))} of '${one.owner.name}' overlaps ${formatPrefix(network(other.address))} of '${other.owner.name}'`,
          { related: [{ origin: inside(other.owner.origin, 'address'), message: 'the other is here.' }] },
        ),
      ),
  );
}

function overlap(a: InterfaceAddress, b: InterfaceAddress): boolean {
  return contains(network(a), network(b)) || contains(network(b), network(a));
}

/** Link-local addresses may be the same on every link: RFC 4291 §2.5.6. */
function isGlobal({ address }: Owned): boolean {
  return address.family === 4 || address.bits >> 118n !== 0x3fan;
}
