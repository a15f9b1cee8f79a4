/** Policies of Aerleon and Capirca as drafts: that drawn terms mean what they say, what becomes of files, and what is refused. */
import test from 'ava';
import fc from 'fast-check';
import { seenAs } from '../../../codegen/analysis/packet.js';
import { firstMatch } from '../../../codegen/evaluate/rules.js';
import type { AerleonOptions, Attachment } from '../../../codegen/formats/aerleon/filters.js';
import { parseAttachment, readAerleon } from '../../../codegen/formats/aerleon/read.js';
import type { Draft } from '../../../codegen/formats/draft.js';
import { finishImport } from '../../../codegen/formats/finish.js';
import { writePolicy } from '../../../codegen/formats/write.js';
import { lower } from '../../../codegen/lower.js';
import { patient } from '../policy.js';
import { matches, networks, packet, services, type Term, term, today } from './aerleon-terms.js';
import { asChecked, evaluatePolicy } from './evaluate.js';

const definitions = {
  file: 'defs.yaml',
  text: JSON.stringify({
    networks: Object.fromEntries(
      Object.entries(networks).map(([name, items]) => [
        name,
        { values: items.map((one) => (Object.hasOwn(networks, one) ? { name: one } : { address: one })) },
      ]),
    ),
    services: Object.fromEntries(
      Object.entries(services).map(([name, items]) => [
        name,
        items.map((one) => {
          const [port, protocol] = one.split('/');
          return protocol === undefined ? { name: one } : { port, protocol };
        }),
      ]),
    ),
  }),
};

const usual: AerleonOptions = {
  name: 'r',
  interfaces: ['wan', 'lan'],
  vlans: new Map(),
  definitions: [definitions],
  include: () => undefined,
  attached: [],
  neighbourDiscovery: 'explicit',
  today,
};

const yaml = (text: string, options: Partial<AerleonOptions> = {}) =>
  readAerleon([{ file: 'edge.yaml', text }], { ...usual, ...options });

function draftOf(read: ReturnType<typeof readAerleon>): Draft {
  if (read.ok) return read.value;
  throw new Error(read.problems.map((one) => `${one.origin.line}: ${one.message}`).join('\n'));
}

/** As YAML, and as Capirca has it: both must mean the same. */
function written(terms: readonly Term[], target: string): readonly { file: string; text: string }[] {
  const named = terms.map((one, i) => ({ name: `t${i}`, ...one }));
  const lines = (one: Term) => Object.entries(one).map(([key, value]) => `  ${key}:: ${value}`);
  const text = terms.map((one, i) => `term t${i} {\n${lines(one).join('\n')}\n}`).join('\n');
  return [
    {
      file: 'drawn.yaml',
      text: JSON.stringify(
        { filters: [{ header: { targets: { juniper: target } }, terms: named }] },
        null,
        1,
      ),
    },
    { file: 'drawn.pol', text: `header {\n  target:: juniper ${target}\n}\n${text}` },
  ];
}

const actions: Readonly<Record<string, string>> = { accept: 'allow', deny: 'deny', reject: 'reject' };

test('drawn terms mean what they say', async (t) => {
  t.timeout(120_000);
  const drawn = fc.record({
    terms: fc.array(term, { minLength: 1, maxLength: 6 }),
    family: fc.constantFrom('mixed', 'inet', 'inet6'),
    packets: fc.array(packet, { minLength: 150, maxLength: 150 }),
  });
  const taken: Record<string, number> = {};
  await fc.assert(
    fc.asyncProperty(drawn, async ({ terms, family, packets }) => {
      const texts = written(terms, `drawn ${family}`).map(
        (source) => writePolicy(draftOf(readAerleon([source], usual))).text,
      );
      const [first, second] = texts.map((text) => text.replace(/drawn\.(pol|yaml)/, ''));
      if (first !== second) throw new Error(`${first}\nis not\n${second}`);
      const router = await evaluatePolicy(texts[0]!);
      const ir = lower(asChecked(router));
      const { acl } = ir.interfaces[0]!;
      for (const one of packets) {
        const rule = acl && firstMatch(ir, acl, seenAs(one))!;
        const judged = family === 'mixed' || (family === 'inet6') === (one.family === 6);
        const decider = judged
          ? terms.findIndex((candidate) => candidate.action !== 'next' && matches(candidate, one))
          : -1;
        const expected =
          decider < 0 ? (judged ? 'deny' : 'allow') : `${actions[terms[decider]!.action!]} t${decider}`;
        const id = rule && router.interfaces[0]!.in!.rules[rule.position - 1]?.id;
        const named = id && /^t\d+/.exec(id)?.[0];
        const got = `${rule?.action.kind ?? 'allow'}${named === undefined ? '' : ` ${named}`}`;
        if (got !== expected)
          throw new Error(`${got} instead of ${expected}: ${JSON.stringify(one.fields)}\n${texts[0]}`);
        const kind = decider < 0 ? 'none' : (terms[decider]!.option ?? terms[decider]!.protocol ?? 'any');
        taken[kind] = (taken[kind] ?? 0) + 1;
      }
    }),
    { seed: 20261121, numRuns: 150, endOnFailure: true, includeErrorInReport: true },
  );
  for (const kind of [
    'tcp',
    'udp',
    'tcp udp',
    'icmp',
    'icmpv6',
    'tcp-established',
    'established',
    'tcp-initial',
    'is-fragment',
    'first-fragment',
  ])
    t.true((taken[kind] ?? 0) > 15, `${kind}: ${JSON.stringify(taken)}`);
});

test('a filter becomes a list that builds, with its comments', async (t) => {
  t.timeout(60_000);
  const text = `# Edge of the campus
filters:
  - header:
      comment: |
        What comes in from outside.
        Asked first.
      targets:
        juniper: edge-in mixed
        cisco: edge-in
    terms:
      # Reverse path
      - name: no-spoofing
        comment: our own networks do not come from outside
        source-address: INNER
        action: deny
        logging: syslog
        owner: noc
      - name: names
        # resolvers
        destination-address:
          - DMZ  # both
          - SIX
        destination-port: DNS
        protocol: tcp udp
        counter: dns
        action: accept
      - name: web
        comment: |
          The web,
          in two lines.
        destination-address: DMZ
        destination-exclude: 10.1.128.0/17
        destination-port: WEB ODD
        protocol: tcp
        expiration: 2027-01-01
        action: accept
      - name: cisco-only
        platform: cisco
        action: accept
      - name: marked
        protocol: udp
        dscp-set: af41
        restrict-address-family: inet6
        action: accept
`;
  const options: Partial<AerleonOptions> = {
    target: 'juniper',
    attached: [{ filter: 'edge-in', device: 'wan', side: 'in' }],
  };
  const read = yaml(text, options);
  const written = writePolicy(draftOf(read)).text;
  t.is(
    written.slice(written.indexOf('import {')),
    `import { acl, allow, deny, nets, router, service, tcp, udp } from 'netmill';

export const inner = nets(
  '10.0.0.0/8', // RFC1918
  '172.16.0.0/12', // RFC1918
  '2001:db8:10::/48',
);

export const dns = service(tcp(53), udp(53));

export const dmzAndSix = nets(
  '10.1.0.0/16', // DMZ
  '20.1.2.3', // DMZ
  '2001:db8::/32', // SIX
);

// DMZ without 10.1.128.0/17
export const dmzExcept101128017 = nets('10.1.0.0/17', '20.1.2.3');

// Edge of the campus
// What comes in from outside.
// Asked first.
export const edgeIn = acl('edge-in', { default: 'deny', neighbourDiscovery: 'explicit' }, [
  // Reverse path
  deny({ from: inner }).id('no-spoofing').log().why('our own networks do not come from outside').owner('noc'),
  // resolvers
  // both
  allow({ to: dmzAndSix, service: dns }).id('names').count('dns'),
  // The web,
  // in two lines.
  allow({ to: dmzExcept101128017, service: tcp(7, 80, 443) }).id('web').expires('2026-12-31'),
  // cisco-only: for cisco alone
  allow({ from: nets('::/0'), service: udp() }).id('marked').dscp('af41'),
]);

export default router('r', {
  interfaces: { wan: { port: 'xdp:wan', in: edgeIn, fallback: 'kernel' }, lan: { port: 'xdp:lan' } },
});
`,
  );
  t.regex(written, /as juniper has it\.\n \* - What is logged is logged ten times a second at most\./);
  const builtin = draftOf(yaml(text, { ...options, neighbourDiscovery: 'builtin' }));
  const finished = await finishImport(builtin, 'r.ts', { limits: patient, today });
  t.deepEqual(finished.result.ok ? [] : finished.result.diagnostics, []);
});

test("filters of one family end for that alone, and Capirca's own files are read", (t) => {
  const files: Readonly<Record<string, string>> = {
    'inc/bogons.inc': '# seen in the wild\nterm bogons {\n  source-address:: BOGONS\n  action:: deny\n}\n',
  };
  const text = `header {
  comment:: "In."
  target:: cisco in-four extended
}
#include 'inc/bogons.inc'
term mail {  # to us
  destination-address:: MAIL
  protocol:: tcp
  destination-port:: SMTP
  destination-port:: SUBMISSION
  action:: accept
}
header {
  target:: cisco in-six inet6
}
term all { action:: accept }
header {
  target:: cisco out-four
}
term all { action:: accept }
`;
  const networks = `# not ours
BOGONS = 192.0.2.0/24  # TEST-NET-1
         LOOP
LOOP = 127.0.0.0/8
MAIL = 20.1.2.3
`;
  const read = readAerleon([{ file: 'edge.pol', text }], {
    ...usual,
    definitions: [
      { file: 'a.net', text: networks },
      { file: 'a.svc', text: 'SMTP = 25/tcp\nSUBMISSION = 587/tcp 587/udp\n' },
    ],
    include: (path) => (files[path] === undefined ? undefined : { file: path, text: files[path] }),
    attached: ['in-four=wan:in', 'in-six=wan:in', 'out-four=wan:out'].map(
      (one) => parseAttachment(one) as Attachment,
    ),
  });
  t.is(
    writePolicy(draftOf(read)).text.replace(/^[\s\S]*?(?=\/\/ not ours)/, ''),
    `// not ours
export const bogons = nets(
  '192.0.2.0/24', // TEST-NET-1
  '127.0.0.0/8', // LOOP
);

export const mail = nets('20.1.2.3');

export const inbound = acl('inbound', { default: 'deny', neighbourDiscovery: 'explicit' }, [
  // In.
  // seen in the wild
  deny({ from: bogons }).id('bogons'),
  // to us
  allow({ to: mail, service: tcp(25, 587) }).id('mail'),
  allow({ from: nets('::/0') }).id('all'),
]);

export const outFour = acl('out-four', { default: 'allow', neighbourDiscovery: 'explicit' }, [
  allow({ from: nets('0.0.0.0/0') }).id('all'),
]);

export default router('r', {
  interfaces: {
    wan: { port: 'xdp:wan', in: inbound, out: outFour, fallback: 'kernel' },
    lan: { port: 'xdp:lan', fallback: 'kernel' },
  },
});
`,
  );
});

/** Terms by name, as the list has them. */
function idsOf(text: string, files: Readonly<Record<string, string>>): readonly (string | undefined)[] {
  const include = (path: string) =>
    files[path] === undefined ? undefined : { file: path, text: files[path] };
  const draft = draftOf(readAerleon([{ file: 'edge.pol', text }], { ...usual, include }));
  return draft.lists[0]!.parts.flatMap((one) => (one.kind === 'rule' ? [one.id] : []));
}

test('Capirca includes a file that its line names, with quotes or without, and no other', (t) => {
  const header = 'header { target:: juniper edge mixed }\n';
  const rest = 'term all { action:: accept }\n';
  const files = { 'bad.inc': 'term bad { protocol:: udp action:: deny }' };
  for (const line of ["#include 'bad.inc'", '#include bad.inc', '  #include\t"bad.inc"  # the bad'])
    t.deepEqual(idsOf(`${header}${line}\n${rest}`, files), ['bad', 'all'], line);
  for (const line of ["# include 'bad.inc'", "# see #include 'bad.inc'", '#include', '#includes bad.inc'])
    t.deepEqual(idsOf(`${header}${line}\n${rest}`, files), ['all'], line);
  t.deepEqual(idsOf(`${header}${rest.trim()} #include 'bad.inc'\n`, files), ['all']);
});

test('aliases and merged keys are what they stand for', (t) => {
  const text = `common: &tcp
  protocol: tcp
  action: accept
filters:
  - header: { targets: { juniper: edge mixed } }
    terms:
      - { name: a, <<: *tcp, action: deny }
      - { name: b, <<: *tcp }
`;
  const lines = writePolicy(draftOf(yaml(text))).text.match(/(allow|deny)\(.*\),/g);
  t.deepEqual(lines, ["deny({ service: tcp() }).id('a'),", "allow({ service: tcp() }).id('b'),"]);
});

test('where filters are attached is read, or refused', (t) => {
  t.deepEqual(parseAttachment('edge-in=eth1.7:out'), { filter: 'edge-in', device: 'eth1.7', side: 'out' });
  for (const text of ['edge-in', 'edge-in=eth1', 'edge-in=eth1:both'])
    t.is(typeof parseAttachment(text), 'string');
});
