import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { type LocalRoutes, openLocalRoutes } from '../../runtime/control/local-routes.js';
import type { Logger } from '../../runtime/log.js';
import type { Link } from '../../runtime/native.js';
import { link } from './fixtures.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-local-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));
let files = 0;

interface Bed {
  links: Link[];
  /** What the RIB has, by prefix. */
  readonly rib: Map<string, string>;
  readonly path: string;
  readonly complaints: unknown[];
  open(): LocalRoutes;
}

function bed(path = join(directory, `routes-${++files}.json`)): Bed {
  const rib = new Map<string, string>();
  const complaints: unknown[] = [];
  const complain = (about: unknown): void => void complaints.push(about);
  const log = { warn: complain, error: complain } as unknown as Logger;
  const made: Bed = {
    links: [link({ ifindex: 3, name: 'lan' }), link({ ifindex: 4, name: 'wan' })],
    rib,
    path,
    complaints,
    open: () =>
      openLocalRoutes({
        path,
        log,
        rib: {
          links: () => made.links,
          addLocal: (prefix, gateway, ifindex) => {
            if (prefix === 'bad') throw new Error('not a prefix');
            rib.set(prefix, [gateway, ifindex && `#${ifindex}`].filter(Boolean).join(' '));
            return gateway !== '192.0.2.99';
          },
          deleteLocal: (prefix) => rib.delete(prefix),
        },
      }),
  };
  return made;
}

const byGateway = { prefix: '10.1.0.0/16', gateway: '192.0.2.1' };
const byDevice = { prefix: '10.2.0.0/16', device: 'lan' };

test('the next daemon tells its RIB what the one before was told', (t) => {
  const first = bed();
  const routes = first.open();
  routes.add(byGateway);
  routes.add(byDevice);
  routes.add({ prefix: '10.3.0.0/16', gateway: '192.0.2.1' });
  t.true(routes.delete('10.3.0.0/16'));
  const second = bed(first.path);
  second.open().apply();
  t.deepEqual(
    [...second.rib],
    [
      ['10.1.0.0/16', '192.0.2.1'],
      ['10.2.0.0/16', '#3'],
    ],
  );
});

test('a route takes the place of the one with its prefix', (t) => {
  const { rib, open } = bed();
  const routes = open();
  routes.add(byGateway);
  routes.add({ ...byGateway, gateway: '192.0.2.9' });
  t.deepEqual([...rib], [['10.1.0.0/16', '192.0.2.9']]);
  t.is(routes.list().length, 1);
});

test('a route that has no way to its gateway waits, and its adder hears of it', (t) => {
  const { rib, open } = bed();
  const routes = open();
  t.true(routes.add(byGateway));
  t.false(routes.add({ ...byGateway, gateway: '192.0.2.99' }));
  t.true(routes.add({ prefix: 'fd01::/16', gateway: 'fe80::1', device: 'wan' }));
  t.is(rib.get('fd01::/16'), 'fe80::1 #4');
  t.is(routes.list().length, 2);
});

test('a route leaves with its device, and comes back with a new one of that name', (t) => {
  const made = bed();
  const routes = made.open();
  routes.add(byDevice);
  made.links = [];
  routes.apply();
  t.is(made.rib.size, 0);
  t.is(routes.list().length, 1);
  made.links = [link({ ifindex: 9, name: 'lan' })];
  routes.apply();
  t.is(made.rib.get('10.2.0.0/16'), '#9');
});

test('a renamed device keeps its route, here and for the next daemon', (t) => {
  const made = bed();
  const routes = made.open();
  routes.add(byDevice);
  made.links = [link({ ifindex: 3, name: 'office' }), link({ ifindex: 5, name: 'lan' })];
  routes.apply();
  t.is(made.rib.get('10.2.0.0/16'), '#3');
  t.regex(readFileSync(made.path, 'utf8'), /"device": "office"/);
});

test('what the RIB refuses is not kept', (t) => {
  const { open } = bed();
  const routes = open();
  t.throws(() => routes.add({ prefix: 'bad', gateway: '192.0.2.1' }));
  t.deepEqual(routes.list(), []);
});

test('what is not there is not deleted', (t) => {
  t.false(bed().open().delete('10.1.0.0/16'));
});

test('a file that is damaged is told of, and costs the routes, not the start', (t) => {
  const made = bed();
  writeFileSync(made.path, '[{"prefix": 7}]');
  const routes = made.open();
  t.deepEqual([routes.list(), made.complaints.length], [[], 1]);
});

test('what cannot be kept is not added, and leaves what was there', (t) => {
  const folder = mkdtempSync(join(directory, 'full-'));
  const here = bed(join(folder, 'routes.json'));
  const routes = here.open();
  routes.add(byGateway);
  rmSync(folder, { recursive: true });
  t.throws(() => routes.add({ prefix: '10.4.0.0/16', gateway: '192.0.2.1' }), { code: 'ENOENT' });
  t.throws(() => routes.add({ ...byGateway, gateway: '192.0.2.2' }), { code: 'ENOENT' });
  t.deepEqual([...here.rib], [['10.1.0.0/16', '192.0.2.1']]);
});

test('a device’s new name that cannot be kept is followed all the same', (t) => {
  const folder = mkdtempSync(join(directory, 'full-'));
  const here = bed(join(folder, 'routes.json'));
  const routes = here.open();
  routes.add(byDevice);
  rmSync(folder, { recursive: true });
  here.links = [link({ ifindex: 3, name: 'office' })];
  routes.apply();
  t.is(routes.list()[0]?.device, 'office');
  t.is(here.complaints.length, 1);
  routes.apply();
  t.is(here.complaints.length, 1);
});
