// Cuts a typed command line into a program and its arguments. No shell is involved: quotes group, and
// nothing else means anything. The result is shown back argument by argument before it is used.

export type CommandLine = { words: string[]; problem: null } | { words: null; problem: string };

export function parseCommandLine(line: string): CommandLine {
  const words: string[] = [];
  let word: string | null = null;
  let quote: '"' | "'" | null = null;
  for (let at = 0; at < line.length; at += 1) {
    const character = line.charAt(at);
    const next = line.charAt(at + 1);
    if (quote === "'") {
      if (character === "'") quote = null;
      else word += character;
    } else if (character === "\\" && isEscaped(next, quote)) {
      word = (word ?? "") + next;
      at += 1;
    } else if (quote === '"') {
      if (character === '"') quote = null;
      else word += character;
    } else if (character === '"' || character === "'") {
      quote = character;
      word ??= "";
    } else if (/\s/.test(character)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== null) return { words: null, problem: `A quote is open: ${quote} has no partner.` };
  if (word !== null) words.push(word);
  return { words, problem: null };
}

/** A backslash before anything else stands for itself, so that `C:\tools\server.exe` stays whole. */
function isEscaped(next: string, quote: '"' | null): boolean {
  return quote === '"' ? next === '"' : next === '"' || next === "'" || next === " ";
}

/** Returns what a person may expect a shell to do with these words, which none will; null if nothing. */
export function shellHint(words: readonly string[]): string | null {
  const operator = words.find((word) => /^(&&|\|\|?|;|>{1,2}|<|2>&1|&)$/.test(word));
  if (operator) return `No shell is involved: “${operator}” is passed on as an argument.`;
  const variable = words.find((word) => /\$(\w|\()/.test(word));
  if (variable) return `No shell is involved: “${variable}” stays as it is. \${env:NAME} stands for a variable.`;
  const tilde = words.find((word) => word.startsWith("~/"));
  return tilde ? `No shell is involved: “${tilde}” stays as it is. Write the whole path.` : null;
}
