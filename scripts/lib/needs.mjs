// What the commands need from the system, as data. The core needs no system library; the desktop
// links GTK and WebKit. `start:desktop` is `start` where there is a display.

/**
 * - `commands`: who needs it. A need of another command is not looked for.
 * - `program`, or `probe` (a command line that succeeds where the need is met).
 * - `optional`: what is done without it. Such a need is installed where that is possible, and never
 *   stops a command.
 * - `packages`: its names by package manager, or a command of its own as text; a manager without an
 *   entry does not need it.
 */
export const needs = [
  {
    name: "a C compiler",
    why: "Rust links with it, and SQLite and ring are partly C",
    commands: ["start", "start:desktop", "test", "test:real", "test:ui", "test:desktop", "check", "check:cross", "bench", "fuzz"],
    probe: ["cc", "--version"],
    packages: {
      apt: ["gcc", "libc6-dev"],
      dnf: ["gcc", "glibc-devel"],
      pacman: ["gcc"],
      zypper: ["gcc", "glibc-devel"],
      brew: "xcode-select --install",
    },
  },
  {
    name: "mold",
    why: "links a changed binary in a third of the time; .cargo/config.toml asks for it",
    commands: ["start", "start:desktop", "test", "test:real", "test:ui", "test:desktop", "check", "bench", "fuzz"],
    optional: "linking with the system's default linker",
    probe: ["mold", "--version"],
    packages: { apt: ["mold"], dnf: ["mold"], pacman: ["mold"], zypper: ["mold"] },
  },
  {
    name: "a C++ compiler",
    why: "libFuzzer is C++",
    commands: ["fuzz"],
    probe: ["c++", "--version"],
    packages: { apt: ["g++"], dnf: ["gcc-c++"], pacman: ["gcc"], zypper: ["gcc-c++"], brew: "xcode-select --install" },
  },
  {
    name: "python3 (3.10 or newer) with venv",
    why: "runs the Python clients and servers of the real-servers tests; brings the zig compiler",
    commands: ["test", "test:real", "check:cross"],
    probe: ["python3", "-c", "import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 10))"],
    packages: {
      apt: ["python3", "python3-venv"],
      dnf: ["python3"],
      pacman: ["python"],
      zypper: ["python3"],
      brew: ["python3"],
    },
  },
  {
    name: "git",
    why: "makes the repository that the real git server is asked about",
    commands: ["test", "test:real"],
    probe: ["git", "--version"],
    packages: { apt: ["git"], dnf: ["git"], pacman: ["git"], zypper: ["git"], brew: ["git"] },
  },
  {
    name: "GTK 3 and WebKitGTK 4.1 with their headers",
    why: "the desktop's window is made of them",
    commands: ["start:desktop", "test", "test:desktop", "screenshot:tray", "figures", "check"],
    probe: ["pkg-config", "--exists", "gtk+-3.0", "webkit2gtk-4.1"],
    packages: {
      apt: ["libwebkit2gtk-4.1-dev", "pkg-config"],
      dnf: ["webkit2gtk4.1-devel", "pkgconf-pkg-config"],
      pacman: ["webkit2gtk-4.1", "pkgconf"],
      zypper: ["webkit2gtk3-devel", "pkgconf-pkg-config"],
    },
  },
  {
    name: "a desktop to look at (Xvfb, D-Bus, openbox, xfce4-panel, xdotool, ImageMagick)",
    why: "the desktop is tested, measured and pictured on a screen and a bus of its own",
    commands: ["test", "test:desktop", "screenshot:tray", "figures"],
    probe: [
      "sh",
      "-c",
      "for tool in Xvfb dbus-daemon dbus-monitor gdbus openbox xfce4-panel xdotool xprop xwininfo import display; do command -v $tool || exit 1; done",
    ],
    packages: {
      // Debian's dbus-daemon and dbus-monitor come with dbus, gdbus with libglib2.0-bin.
      apt: ["xvfb", "dbus", "libglib2.0-bin", "openbox", "xfce4-panel", "adwaita-icon-theme", "xdotool", "x11-utils", "imagemagick", "fonts-dejavu-core"],
      dnf: ["xorg-x11-server-Xvfb", "dbus-daemon", "dbus-tools", "glib2", "openbox", "xfce4-panel", "xdotool", "xprop", "xwininfo", "ImageMagick"],
      pacman: ["xorg-server-xvfb", "dbus", "glib2", "openbox", "xfce4-panel", "xdotool", "xorg-xprop", "xorg-xwininfo", "imagemagick"],
      zypper: ["xorg-x11-server-Xvfb", "dbus-1", "glib2-tools", "openbox", "xfce4-panel", "xdotool", "xprop", "xwininfo", "ImageMagick"],
    },
  },
  {
    name: "desktop-file-validate",
    why: "judges the entry of the start at login",
    commands: ["test"],
    probe: ["sh", "-c", "command -v desktop-file-validate"],
    packages: {
      apt: ["desktop-file-utils"],
      dnf: ["desktop-file-utils"],
      pacman: ["desktop-file-utils"],
      zypper: ["desktop-file-utils"],
    },
  },
  {
    name: "WebKitWebDriver",
    why: "drives the real window",
    commands: ["test", "test:desktop"],
    probe: ["sh", "-c", "command -v WebKitWebDriver"],
    packages: {
      apt: ["webkit2gtk-driver"],
      dnf: ["webkit2gtk-driver"],
      pacman: ["webkit2gtk-4.1"],
      zypper: ["webkit2gtk-4_1-injected-bundles"],
    },
  },
  {
    name: "Chromium and its driver",
    why: "shows the same pages at /ui/",
    commands: ["test", "test:ui"],
    probe: ["sh", "-c", "command -v chromedriver && (command -v chromium || command -v chromium-browser)"],
    packages: {
      apt: ["chromium", "chromium-driver"],
      dnf: ["chromium", "chromedriver"],
      pacman: ["chromium"],
      zypper: ["chromium", "chromedriver"],
    },
  },
];
