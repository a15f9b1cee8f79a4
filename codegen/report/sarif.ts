/** Findings as SARIF (OASIS, Static Analysis Results Interchange Format 2.1.0): for code scanning and editors. */
import { kindsIn, type Place, type Report } from './report.js';

export function toSarif(report: Report, version: string): string {
  const kinds = kindsIn(report);
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'netmill',
            version,
            rules: kinds.map((id) => ({ id, shortDescription: { text: report.kinds[id] ?? id } })),
          },
        },
        automationDetails: { id: `netmill/${report.command}/` },
        // Columns count as JavaScript counts: §3.14.17.
        columnKind: 'utf16CodeUnits',
        results: report.suites.flatMap((suite) =>
          suite.findings.map(({ kind, level, message, place, related }) => ({
            ruleId: kind,
            ruleIndex: kinds.indexOf(kind),
            level,
            message: { text: message },
            locations: place ? [location(place)] : [],
            ...(related.length > 0 && {
              relatedLocations: related.map((one, id) => ({
                id,
                ...location(one),
                message: { text: one.message },
              })),
            }),
            properties: { policy: suite.name },
          })),
        ),
      },
    ],
  };
  return `${JSON.stringify(log, null, 2)}\n`;
}

function location({ file, line, column, endLine, endColumn }: Place) {
  return {
    physicalLocation: {
      artifactLocation: { uri: file.split('/').map(encodeURIComponent).join('/') },
      region: {
        startLine: line,
        startColumn: column,
        ...(endLine !== undefined && { endLine }),
        ...(endColumn !== undefined && { endColumn }),
      },
    },
  };
}
