// The addresses of the pages. They stand in the fragment, so that one file serves them all.

export const tabs = ["overview", "tools", "logs", "review"] as const;
export type Tab = (typeof tabs)[number];

export type Route =
  | { page: "servers" }
  | { page: "server"; name: string; tab: Tab }
  | { page: "add" }
  | { page: "clients" }
  | { page: "settings" }
  | { page: "gallery" };

export function parseRoute(hash: string): Route {
  const [page, name, tab] = hash.replace(/^#?\/?/, "").split("/");
  switch (page) {
    case "servers":
      return name ? { page: "server", name: decoded(name), tab: asTab(tab) } : { page };
    case "add":
    case "clients":
    case "settings":
    case "gallery":
      return { page };
    default:
      return { page: "servers" };
  }
}

export function serverRoute(name: string, tab: Tab = "overview"): string {
  const path = `#/servers/${encodeURIComponent(name)}`;
  return tab === "overview" ? path : `${path}/${tab}`;
}

function asTab(text: string | undefined): Tab {
  return tabs.find((tab) => tab === text) ?? "overview";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
