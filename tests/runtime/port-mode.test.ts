/** MODE of `netmill status` and `ifconfig`. */
import test from 'ava';
import { modeOf } from '../../runtime/control/port-mode.js';

const port = { spec: 'xdp:eth0', queues: [], busyPoll: false };
const state = { open: true, native: true, zeroCopy: false, polled: false };

const mode = test.macro(
  (t, of: Partial<Parameters<typeof modeOf>[0]>, is: Partial<typeof state>, expected: readonly string[]) => {
    t.deepEqual(modeOf({ ...port, ...of }, { ...state, ...is }), [...expected]);
  },
);

test('a veth', mode, {}, {}, ['native', 'copy']);
test('a card, of which some queues', mode, { queues: [4, 5] }, { zeroCopy: true }, [
  'native',
  'zero-copy',
  'queues 4 5',
]);
test('polled', mode, { busyPoll: true }, { polled: true }, ['native', 'copy', 'polled']);
test('should be polled', mode, { busyPoll: true }, { native: false }, ['generic', 'copy', 'not polled']);
test('closed', mode, { busyPoll: true }, { open: false }, []);
test('not xdp:', mode, { spec: 'pipe:x' }, {}, []);
