// Installs system packages with apt, or says exactly what to install.
import { readFileSync } from "node:fs";
import { output, run } from "./run.mjs";
import { note, Stop } from "./say.mjs";

const commandLine = {
  apt: "apt-get install -y",
  dnf: "dnf install -y",
  pacman: "pacman -S --needed",
  zypper: "zypper install -y",
  brew: "brew install",
};

/** Returns the package manager of this system, or null where none of them is known. */
export function packageManager() {
  if (process.platform === "darwin") return "brew";
  if (process.platform !== "linux") return null;
  const release = osRelease();
  const family = `${release.ID ?? ""} ${release.ID_LIKE ?? ""}`.split(/\s+/);
  const is = (...names) => names.some((name) => family.includes(name));
  if (is("debian", "ubuntu")) return "apt";
  if (is("fedora", "rhel", "centos")) return "dnf";
  if (is("arch")) return "pacman";
  if (family.some((name) => name.includes("suse"))) return "zypper";
  return null;
}

/** Returns what a person would type to meet these needs, a command a line. */
export function installLines(manager, needs) {
  const found = needs.map((need) => need.packages[manager] ?? []);
  const commands = found.filter((packages) => typeof packages === "string");
  const packages = found.filter((names) => typeof names !== "string").flat();
  const rights = manager === "brew" || process.getuid?.() === 0 ? "" : "sudo ";
  if (packages.length) commands.push(`${rights}${commandLine[manager]} ${packages.join(" ")}`);
  return commands;
}

/** Stops with the exact remedy for what is missing. */
export function askPerson(manager, missing) {
  const lines = missing.map((need) => `  - ${need.name}: ${need.why}`);
  const commands = manager ? installLines(manager, missing) : [];
  const remedy = commands.length
    ? `Install it with:\n\n  ${commands.join("\n  ")}\n\nthen run the command again.`
    : "Install it the way this system does, then run the command again.";
  throw new Stop(`this is missing here:\n${lines.join("\n")}\n${remedy}`);
}

let listsAreFresh = false;

/** Returns whether this person may install with apt, as root or through sudo. */
export function mayInstall(manager) {
  return manager === "apt" && rights() !== null;
}

/** Installs with apt; what came of it shows in the needs. */
export async function aptInstall(packages) {
  const prefix = rights();
  const apt = (...args) => {
    note([...prefix, "apt-get", ...args].join(" "));
    // By way of `env`, because sudo keeps our own environment from it.
    const quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"];
    const [program, ...rest] = [...prefix, ...quiet, ...args];
    return run(program, rest, { stdio: [process.stdin.isTTY ? "inherit" : "ignore", "inherit", "inherit"] });
  };
  // Old lists may still do: whether they did shows in the install.
  if (!listsAreFresh) listsAreFresh = (await apt("update", "-qq")) === 0;
  await apt("install", "-y", "-qq", "--no-install-recommends", ...packages);
}

/** Returns what goes before `apt-get`, or null where this person may not install. */
function rights() {
  if (process.getuid() === 0) return [];
  if (output("sudo", ["--version"]) === null) return null;
  if (process.stdin.isTTY) return ["sudo"];
  // Without a terminal sudo cannot ask for a password.
  return output("sudo", ["-n", "true"]) === null ? null : ["sudo", "-n"];
}

function osRelease() {
  try {
    const lines = readFileSync("/etc/os-release", "utf8").split("\n");
    return Object.fromEntries(
      lines.filter((line) => line.includes("=")).map((line) => {
        const [key, ...value] = line.split("=");
        return [key, value.join("=").replace(/^"|"$/g, "")];
      }),
    );
  } catch {
    return {};
  }
}
