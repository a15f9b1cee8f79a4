/** `netmill vale`: what people write, what netmill-vale takes, and its answers for people. Those of netmap: tests/engine/netmap/vale.c. */
import { existsSync } from 'node:fs';
import test from 'ava';
import { valeReport } from '../../runtime/cli/vale-reports.js';
import { attachedText, infoText, madeText, polledText, portsText } from '../../runtime/cli/vale-text.js';
import {
  configText,
  interfaceOf,
  pollingWords,
  portOf,
  switchOf,
  type ValeConfig,
} from '../../runtime/traffic/vale.js';
import { netmill } from './netmill.js';

const config = test.macro((t, options: ValeConfig, expected: string) => t.is(configText(options), expected));
test('nothing said is left to netmap', config, {}, '0,0,0,0,0');
test('one number is for both directions', config, { slots: '512', rings: '2' }, '512,512,2,2,0');
test('two numbers', config, { slots: '512,1024', rings: '1,4', memory: '3' }, '512,1024,1,4,3');

test('the switch of a port', (t) => {
  t.deepEqual(['vale0', 'vale0:', 'valeA1:eth1'].map(switchOf), ['vale0', 'vale0', 'valeA1']);
});

test('polling', (t) => {
  t.deepEqual(pollingWords({ core: '3' }), ['one', '3', '1']);
  t.deepEqual(pollingWords({ cores: '2-5' }), ['each', '2', '4']);
});

const wrong = test.macro((t, use: () => unknown, message: RegExp) => {
  t.like(t.throws(use), { code: 'usage' });
  t.throws(use, { message });
});
test('three numbers', wrong, () => configText({ slots: '1,2,3' }), /--slots: expected TX,RX/);
test('no number', wrong, () => configText({ rings: 'two' }), /--rings: expected 0 to 256, got 'two'/);
test('a negative memory', wrong, () => configText({ memory: '-1' }), /--memory: expected 0 to 65535/);
test('a port without a switch', wrong, () => portOf('eth1'), /expected SWITCH:IF, as vale0:eth1/);
test('a switch of another name', wrong, () => portOf('br0:eth1'), /expected SWITCH:IF/);
test('a list of no switch', wrong, () => switchOf('eth1'), /expected a name as vale0/);
test('a new switch', wrong, () => interfaceOf('vale0'), /not beginning with 'vale'/);
test('a long name', wrong, () => interfaceOf('a234567890123456'), /at most 15 characters/);
test('nobody polls', wrong, () => pollingWords({}), /--core N, --cores FIRST-LAST or --off/);
test('one and many', wrong, () => pollingWords({ core: '1', cores: '1-2' }), /only one of them/);
test('cores downwards', wrong, () => pollingWords({ cores: '3-2' }), /FIRST-LAST, as 0-3/);

const rings = { txRings: 2, rxRings: 1, txSlots: 1024, rxSlots: 512, memory: 3 };
const answers = {
  list: { ports: [{ switch: 'vale0', port: 'ix0', index: 1, ...rings }] },
  short: { ports: [{ switch: 'vale0', port: 'ix0', index: 1 }] },
  info: { name: 'ix0', ...rings, hostTxRings: 1, hostRxRings: 1, memoryBytes: 17_367_040 },
  attached: { name: 'vale0:ix0', index: 1, host: true },
  detached: { name: 'vale0:ix0', index: 1 },
  made: { name: 'p0', ...rings },
  polled: { name: 'vale0:ix0', firstCore: 0, cores: 2 },
  deleted: { name: 'p0' },
};

for (const [name, answer] of Object.entries(answers))
  test(`the schema of an answer: ${name}`, (t) => t.deepEqual(valeReport.parse(answer), answer as never));

test('answers for people', (t) => {
  t.deepEqual(portsText(answers.list).split('\n').slice(0, 2), [
    'SWITCH  INDEX  PORT  TX RINGS  RX RINGS     SLOTS  MEMORY',
    'vale0       1  ix0          2         1  1024,512       3',
  ]);
  t.is(portsText(answers.short).split('\n')[1], 'vale0       1  ix0');
  t.is(portsText({ ports: [] }), 'no VALE switch has such a port');
  t.is(
    infoText(answers.info),
    'ix0: 2 TX rings of 1,024 slots, 1 RX ring of 512\nhost stack: 1 TX ring, 1 RX ring\nmemory 3, 17.4 MB',
  );
  t.is(madeText(answers.made), 'p0: 2 TX rings of 1,024 slots, 1 RX ring of 512; memory 3');
  t.is(attachedText(answers.attached), 'vale0:ix0: port 1, with its host stack');
  t.is(attachedText({ ...answers.attached, host: false }), 'vale0:ix0: port 1');
  t.is(polledText(answers.polled), 'vale0:ix0: polled by 2 cores, from core 0 on');
});

(existsSync('/dev/netmap') ? test.skip : test)('a kernel without netmap is told', async (t) => {
  for (const words of [['list'], ['attach', 'vale0:eth1'], ['delete', 'p0']]) {
    const ran = await netmill(['vale', ...words, '--json']);
    t.is(ran.code, 69, ran.err);
    t.regex(JSON.parse(ran.out).error.message, /^\/dev\/netmap: No such file.*modprobe netmap/);
  }
});
