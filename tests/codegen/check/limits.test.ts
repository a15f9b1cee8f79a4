/** The limits that check knows are those of the header that engine and daemon are compiled with. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { limits } from '../../../codegen/check/limits.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { maxQueues } from '../../../dsl/flows.js';

const header = readFileSync(join(packageRoot, 'runtime/shm/limits.h'), 'utf8');

const same = test.macro({
  exec(t, name: string, value: number) {
    t.is(new RegExp(`#define ${name}\\s+(\\d+)u`).exec(header)?.[1], String(value));
  },
  title: (_, name) => `${name} is what check refuses more than`,
});

test(same, 'MILL_MAX_PORTS', limits.ports);
test(same, 'MILL_MAX_IFACES', limits.interfaces);
test(same, 'MILL_MAX_WORKERS', limits.workers);
test(same, 'MILL_MAX_RULES', limits.rules);
test(same, 'MILL_MAX_GATEWAYS', limits.gateways);
test(same, 'MILL_MAX_RINGS', limits.rings);
test(same, 'MILL_MAX_FLOWS', limits.flows);
test(same, 'MILL_MAX_QUEUES', maxQueues);
test(same, 'MILL_MAX_ADDRESSES', limits.addresses);
test(same, 'MILL_NAME_SIZE', limits.nameSize);
test(same, 'MILL_SPEC_SIZE', limits.specSize);
