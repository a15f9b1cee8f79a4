import test from 'ava';
import { packetMemory } from '../../runtime/packet-memory.js';

const GIB = 2 ** 30;

function ports(n: number, spec: (i: number) => string = (i) => `xdp:eth${i}`) {
  return {
    ports: Array.from({ length: n }, (_, i) => ({
      name: `p${i}`,
      spec: spec(i),
      fallback: undefined,
      offloadsOff: [],
      busyPoll: false,
      affinity: 'auto' as const,
      queues: [],
      flows: [],
    })),
    interfaces: [],
  };
}

const row = test.macro(
  (t, plan: ReturnType<typeof ports>, queues: number, memory: number, buffers: number) => {
    t.deepEqual(
      packetMemory(
        plan,
        () => queues,
        memory,
        () => 1770,
      ),
      { buffers, bytes: 2048 },
    );
  },
);

test('two ports of one queue take the default', row, ports(2), 1, 8 * GIB, 32_768);
test(
  'pipes have no queues',
  row,
  ports(40, (i) => `pipe:p${i}`),
  16,
  8 * GIB,
  32_768,
);
test('64 ports take what they use', row, ports(64), 1, 8 * GIB, 65 * 2048);
test('and so do many queues', row, ports(4), 16, 8 * GIB, 65 * 2048);
test('at most a quarter of the memory', row, ports(64), 4, GIB, 131_072);
test('but never less than the default', row, ports(64), 4, GIB / 8, 32_768);

test('a device whose packets are larger makes buffers of a page', (t) => {
  const mtu = (device: string) => (device === 'eth1' ? 1771 : 1500);
  t.deepEqual(
    packetMemory(ports(64), () => 4, GIB, mtu),
    { buffers: 65_536, bytes: 4096 },
  );
  t.is(packetMemory(ports(1), () => 1, GIB, mtu).bytes, 2048);
});
test('and so does a policy', (t) => {
  const lan = (mtu: number) => ({
    name: 'lan',
    port: 'p0',
    tags: [],
    addresses: [],
    mtu,
    host: 'none' as const,
    guarded: false,
  });
  const memory = (mtu: number) => packetMemory({ ...ports(1, () => 'pipe:a'), interfaces: [lan(mtu)] });
  t.deepEqual(
    [1770, 1771, 3360, 3361, 16_000].map((mtu) => memory(mtu).bytes),
    [2048, 4096, 4096, 16_384, 16_384],
  );
  t.is(memory(9000).buffers, 16_384, 'half as many of those');
});
