// Server-sent events, taken out of a stream of bytes.

export class EventTexts {
  #decoder = new TextDecoder();
  #rest = "";
  #event = "";
  #data = [];

  /** Takes bytes; returns the events that they complete, as `{ event, data }`. */
  add(chunk) {
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    const lines = this.#rest.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === "") {
      const whole = { event: this.#event, data: this.#data.join("\n") };
      const empty = !this.#data.length;
      this.#event = "";
      this.#data = [];
      return empty ? null : whole;
    }
    const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    return null;
  }
}
