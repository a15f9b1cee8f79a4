/** A classifier's tables as one run of bytes, and the constants that the reader is specialised by. */
import type { AddressClasses, Classifier } from './build.js';

export interface Packed {
  readonly bytes: Uint8Array;
  /** Members of struct mill_classifier, runtime/engine/include/netmill/classify.h. */
  readonly members: readonly { readonly name: string; readonly value: string }[];
}

const narrowest = 256;

export function packClassifier(made: Classifier): Packed {
  const sections = new Sections();
  const { ports } = made;
  const narrow = ports.count <= narrowest;
  const source = addresses(made.source, sections);
  const destination = addresses(made.destination, sections);
  const kinds = sections.put(ports.kinds);
  // What was not read is looked up in the same table, behind all kinds of protocol.
  const together = new Uint16Array(ports.classes.length + ports.unread.length);
  together.set(ports.classes);
  together.set(ports.unread, ports.classes.length);
  const classes = sections.put(narrow ? new Uint8Array(together) : together);
  const unread = classes + ports.classes.length * (narrow ? 1 : 2);
  const rows = ports.words === 0 ? 0 : sections.put(ports.rows);
  const { sources } = ports;
  const narrowPorts = sources !== undefined && sources.count <= narrowest;
  const portClasses =
    sources && sections.put(narrowPorts ? new Uint8Array(sources.classes) : sources.classes);
  const portRows = sources && sections.put(sources.rows);
  const lines = sections.put(made.lines);
  const { bundles } = made;
  const pairs = made.groups.map(({ source, destination, pairs, direct }) => {
    const index = direct ? 0 : sections.put(pairs.index);
    const blocks = direct ? 0 : sections.put(pairs.blocks);
    return `{${[index, blocks, pairs.columns, pairs.shift, source, destination, direct].join(', ')}}`;
  });
  const members = {
    source: `{${source.at.join(', ')}}`,
    destination: `{${destination.at.join(', ')}}`,
    sources: source.count,
    destinations: destination.count,
    kinds,
    unread,
    classes,
    rows,
    port_classes: portClasses ?? 0,
    port_rows: portRows ?? 0,
    row_bytes: ports.words * 4,
    narrow,
    narrow_ports: narrowPorts,
    lines,
    bundles: bundles ? sections.put(bundles.index) : 0,
    cells: bundles ? sections.put(bundles.cells) : 0,
    bands: bundles && bundles.bands.length > 0 ? sections.put(bundles.bands) : 0,
    pieces: bundles && bundles.pieces.length > 0 ? sections.put(bundles.pieces) : 0,
    candidates: bundles && bundles.candidates.length > 0 ? sections.put(bundles.candidates) : 0,
    n_pairs: pairs.length,
    pairs: `{${pairs.join(', ')}}`,
  };
  return {
    bytes: sections.all(),
    members: Object.entries(members).map(([name, value]) => ({ name, value: `${value}` })),
  };
}

function addresses(
  classes: AddressClasses | undefined,
  sections: Sections,
): { readonly at: readonly number[]; readonly count: number } {
  if (classes === undefined) return { at: [0, 0, 0], count: 0 };
  if (classes.kind === 'trie4') {
    const { root, middle, low } = classes.trie;
    return { at: [root, middle, low].map((level) => sections.put(level)), count: 0 };
  }
  const { keys, uppers, lows, count } = classes.search;
  return { at: [keys, uppers, lows].map((table) => sections.put(table)), count };
}

const alignment = 64;

/** Tables one behind the other; the first does not begin at 0, which stands for none. */
class Sections {
  readonly #parts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #size = alignment;

  put(table: Uint8Array | Uint16Array | Uint32Array | BigUint64Array): number {
    const at = this.#size;
    const bytes = new Uint8Array(table.buffer, table.byteOffset, table.byteLength);
    this.#parts.push({ at, bytes });
    this.#size = Math.ceil((at + bytes.length) / alignment) * alignment;
    return at;
  }

  all(): Uint8Array {
    const all = new Uint8Array(this.#size);
    for (const { at, bytes } of this.#parts) all.set(bytes, at);
    return all;
  }
}
