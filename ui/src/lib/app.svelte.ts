// What every page may ask for, handed down by context.
import { createContext } from "svelte";
import type { Theme } from "../bindings";
import { Commands } from "./commands.svelte";
import { Core } from "./core.svelte";
import { router } from "./router.svelte";
import { DesktopShell, browserTheme, keepBrowserTheme, showTheme } from "./shell.svelte";
import type { Transport } from "./transport";

export class App {
  readonly core: Core;
  readonly commands: Commands;
  readonly desktop: DesktopShell | null;
  #theme: Theme = $state("system");

  constructor(readonly transport: Transport) {
    this.core = new Core(transport);
    this.commands = new Commands(this.core);
    this.desktop = transport.desktop && new DesktopShell(transport.desktop, (route) => router.go(route));
    this.#theme = browserTheme();
  }

  get theme(): Theme {
    return this.desktop ? (this.desktop.preferences?.theme ?? "system") : this.#theme;
  }

  async chooseTheme(theme: Theme) {
    if (this.desktop) {
      this.desktop.preferences = await this.desktop.desktop.changePreferences({ theme });
      return;
    }
    this.#theme = theme;
    keepBrowserTheme(theme);
    showTheme(theme);
  }
}

export const [useApp, provideApp] = createContext<App>();
