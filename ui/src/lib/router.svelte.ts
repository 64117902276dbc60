// Where the person is.
import { parseRoute } from "./routes";

class Router {
  #hash = $state(location.hash);
  readonly route = $derived(parseRoute(this.#hash));

  constructor() {
    addEventListener("hashchange", () => {
      this.#hash = location.hash;
    });
  }

  go(route: string) {
    location.hash = route;
    this.#hash = location.hash;
  }
}

export const router = new Router();
