// Where the person is.
import { parseRoute } from "./routes";

class Router {
  #hash = $state(location.hash);
  readonly route = $derived(parseRoute(this.#hash));
  /** The server whose page was open last, whose row gets the focus back. */
  lastServer: string | null = null;

  constructor() {
    addEventListener("hashchange", () => this.#arrived());
  }

  go(route: string) {
    location.hash = route;
    this.#arrived();
  }

  #arrived() {
    const { route } = this;
    if (route.page === "server") this.lastServer = route.name;
    this.#hash = location.hash;
  }
}

export const router = new Router();
