import test from 'ava';
import { encodeFrame, FrameReader } from '../../runtime/control/frame.js';

test('a frame goes in and comes out', (t) => {
  const reader = new FrameReader(1000);
  t.deepEqual(reader.push(encodeFrame({ a: 'ü', b: [1, 2] })), [{ a: 'ü', b: [1, 2] }]);
});

test('frames are found however the stream is cut', (t) => {
  const stream = Buffer.concat([encodeFrame(1), encodeFrame({ two: 2 }), encodeFrame('three')]);
  for (let size = 1; size <= stream.length; size++) {
    const reader = new FrameReader(100);
    const found: unknown[] = [];
    for (let at = 0; at < stream.length; at += size)
      found.push(...reader.push(stream.subarray(at, at + size)));
    t.deepEqual(found, [1, { two: 2 }, 'three'], `cut into pieces of ${size}`);
  }
});

const refused = test.macro((t, bytes: Buffer, expected: RegExp) => {
  t.throws(() => new FrameReader(16).push(bytes), { message: expected });
});

test('a frame of length 0 is refused', refused, Buffer.from([0, 0, 0, 0]), /got a length of 0/);
test(
  'an oversized frame is refused before it is read',
  refused,
  Buffer.from([0, 0, 0, 17]),
  /1 to 16 bytes, got a length of 17/,
);
test('a huge length is refused', refused, Buffer.from([255, 255, 255, 255]), /got a length of 4294967295/);
test('what is not JSON is refused', refused, Buffer.from([0, 0, 0, 2, 0x7b, 0x7b]), /expected JSON/);
