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

/** Returns what a person would type to install these packages. */
export function installLine(manager, packages) {
  if (packages.some((name) => name.includes(" "))) return packages.join(", ");
  const rights = manager === "brew" || process.getuid?.() === 0 ? "" : "sudo ";
  return `${rights}${commandLine[manager]} ${packages.join(" ")}`;
}

let listsAreFresh = false;

/** Installs with apt, as root or through sudo; returns whether it worked. */
export async function aptInstall(packages) {
  const prefix = rights();
  if (!prefix) return false;
  const apt = (...args) => {
    const [program, ...rest] = [...prefix, "apt-get", "-o", "DPkg::Lock::Timeout=300", ...args];
    note(`${[...prefix, "apt-get", ...args].join(" ")}`);
    return run(program, rest, {
      stdio: [process.stdin.isTTY ? "inherit" : "ignore", "inherit", "inherit"],
      env: { DEBIAN_FRONTEND: "noninteractive" },
    });
  };
  // Old lists may still do: whether they did shows in the install.
  if (!listsAreFresh) listsAreFresh = (await apt("update", "-qq")) === 0;
  return (await apt("install", "-y", "-qq", "--no-install-recommends", ...packages)) === 0;
}

/** Returns what goes before `apt-get`, or null where this person may not install. */
function rights() {
  if (process.getuid() === 0) return [];
  const sudo = ["sudo", ...(process.stdin.isTTY ? [] : ["-n"])];
  if (output("sudo", ["--version"]) === null) return null;
  // Without a terminal sudo cannot ask for a password, so it is tried first.
  if (!process.stdin.isTTY && output("sudo", ["-n", "true"]) === null) return null;
  return sudo;
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

/** Stops with the exact remedy for what is missing. */
export function askPerson(manager, missing) {
  const lines = missing.map((need) => `  - ${need.name}: ${need.why}`);
  const packages = missing.flatMap((need) => need.packages[manager] ?? []);
  const remedy = packages.length
    ? `Install it with:\n\n  ${installLine(manager, packages)}\n\nthen run the command again.`
    : "Install it the way this system does, then run the command again.";
  throw new Stop(`this is missing here:\n${lines.join("\n")}\n${remedy}`);
}
