// The program around the window, followed as it changes; null in a browser.
import type { Confirmation, Preferences, Shell, Theme } from "../bindings";
import type { Desktop, DesktopListener } from "./transport";

export class DesktopShell {
  shell: Shell | null = $state.raw(null);
  preferences: Preferences | null = $state.raw(null);
  confirmations: readonly Confirmation[] = $state.raw([]);

  constructor(
    readonly desktop: Desktop,
    go: (route: string) => void,
  ) {
    const listener: DesktopListener = {
      go,
      preferences: (preferences) => (this.preferences = preferences),
      shell: (shell) => (this.shell = shell),
      confirmations: (confirmations) => (this.confirmations = confirmations),
    };
    desktop.listen(listener);
    void desktop.shell().then(listener.shell).catch(() => undefined);
    void desktop.preferences().then(listener.preferences).catch(() => undefined);
    void desktop.confirmations().then(listener.confirmations).catch(() => undefined);
  }
}

const KEY = "narthex.theme";

/** The theme of a browser, which belongs to this browser and not to the core. */
export function browserTheme(): Theme {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}

export function keepBrowserTheme(theme: Theme) {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // The choice then lasts as long as the page.
  }
}

export function showTheme(theme: Theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
