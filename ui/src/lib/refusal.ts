// Every way in which a request can fail, as one thing a page can show.

export class Refusal extends Error {
  constructor(
    /** For programs, such as `launch-changed`; `unreachable` and `no-credential` are our own business. */
    readonly kind: string,
    message: string,
    readonly remedy: string,
    /** The fields of the request concerned, such as `entry.args[0]`. */
    readonly fields: readonly string[] = [],
  ) {
    super(message);
  }

  is(...kinds: string[]): boolean {
    return kinds.includes(this.kind);
  }
}

/** Takes whatever was thrown: a refusal, the desktop's `{kind, message, remedy}`, or a defect of ours. */
export function asRefusal(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  if (typeof thrown === "object" && thrown !== null && "kind" in thrown && "message" in thrown) {
    const { kind, message, remedy, fields } = thrown as Record<string, unknown>;
    return new Refusal(
      String(kind).replaceAll("_", "-"),
      String(message),
      typeof remedy === "string" ? remedy : "",
      Array.isArray(fields) ? fields.map(String) : [],
    );
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new Refusal("internal", message, "Try again; if it stays so, look at the log of Narthex.");
}
