// Stands before a server that speaks on its standard streams and writes down every line in both
// directions before it passes it on. `node tee.mjs FILE COMMAND ARGS…`
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

/** How long a server may take to see the end of its input. */
const endWithin = 250;

const [, , file, command, ...args] = process.argv;
const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });

passOn(process.stdin, "client", child.stdin);
passOn(child.stdout, "server", process.stdout);
process.stdin.on("end", () => {
  child.stdin.end();
  setTimeout(() => child.kill(), endWithin).unref();
});
child.stdin.on("error", () => {});
child.on("exit", (code) => process.stdout.write("", () => process.exit(code ?? 1)));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));

function passOn(source, from, sink) {
  let rest = Buffer.alloc(0);
  source.on("data", (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end; (end = rest.indexOf(10)) >= 0; rest = rest.subarray(end + 1)) {
      const raw = rest.toString("utf8", 0, end).trimEnd();
      if (raw) appendFileSync(file, `${JSON.stringify({ conn: process.pid, from, raw })}\n`);
    }
    sink.write(chunk);
  });
}
