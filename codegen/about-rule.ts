/** Who answers for a rule, and until when it is meant: for listings. */
interface Known {
  readonly owner?: string | undefined;
  readonly ticket?: string | undefined;
  readonly expires?: string | undefined;
}

/** `owner noc, ticket NET-88, until 2027-03-31`; undefined: nothing of it is said. */
export function aboutRule({ owner, ticket, expires }: Known): string | undefined {
  const parts = [
    ...(owner === undefined ? [] : [`owner ${owner}`]),
    ...(ticket === undefined ? [] : [`ticket ${ticket}`]),
    ...(expires === undefined ? [] : [`until ${expires}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(', ');
}
