// The transport of the desktop: its commands, and channels for what is told.
import type { Client, Envelope, LogEvent } from "../bindings";
import type { Desktop, Follower, LogFollower, Stop, Transport } from "./transport";

/** A channel may also tell that the core it follows was lost: it may be another process. */
type FollowTold = Envelope | { event: "lost"; data: { message: string } };

/** Loads the bridge, which only the desktop's window has. */
export async function tauriTransport(): Promise<Transport> {
  const { invoke, Channel } = await import("@tauri-apps/api/core");
  const { listen } = await import("@tauri-apps/api/event");

  const follow = <T>(command: string, args: object, onmessage: (told: T) => void, failed: (error: unknown) => void) => {
    const channel = new Channel<T>();
    let stopped = false;
    channel.onmessage = (told) => {
      if (!stopped) onmessage(told);
    };
    const id = invoke<number>(command, { ...args, channel });
    id.catch(failed);
    return () => {
      stopped = true;
      void id.then((id) => invoke("stop_following", { id })).catch(() => undefined);
    };
  };

  const desktop: Desktop = {
    shell: () => invoke("shell"),
    changeAutostart: (enabled) => invoke("change_autostart", { enabled }),
    preferences: () => invoke("preferences"),
    changePreferences: (patch) => invoke("change_preferences", { patch }),
    confirmations: () => invoke("confirmations"),
    answer: (command, approve) => invoke("answer", { command, approve }),
    showInConfig: (name) => invoke("show_in_config", { name }),
    dismissFirstRun: () => invoke("dismiss_first_run"),
    listen: (listener) => {
      const stops = [
        listen<string>("go", ({ payload }) => listener.go(payload)),
        listen<Parameters<typeof listener.preferences>[0]>("preferences", ({ payload }) => listener.preferences(payload)),
        listen<Parameters<typeof listener.shell>[0]>("shell", ({ payload }) => listener.shell(payload)),
        listen<Parameters<typeof listener.confirmations>[0]>("confirmations", ({ payload }) =>
          listener.confirmations(payload),
        ),
      ];
      return () => stops.forEach((stop) => void stop.then((stop) => stop()));
    },
  };

  return {
    desktop,
    status: () => invoke("status"),
    servers: () => invoke("servers"),
    tools: (name) => invoke("tools", { name }),
    wish: (name, command) => invoke("wish", { name, command }),
    approve: (name, approval) => invoke("approve", { name, approval }),
    pause: () => invoke("pause"),
    resume: () => invoke("resume"),
    addServer: (name, entry) => invoke("add_server", { name, entry }),
    patchServer: (name, patch) => invoke("patch_server", { name, patch }),
    removeServer: (name) => invoke("remove_server", { name }),
    clients: async () => ({ clients: await invoke<Client[]>("clients") }),
    addClient: (name) => invoke("add_client", { name }),
    removeClient: (name) => invoke("remove_client", { name }),
    settings: () => invoke("settings"),
    changeSettings: (patch) => invoke("change_settings", { patch }),
    follow: (follower: Follower): Stop =>
      follow<FollowTold>(
        "follow",
        {},
        (told) => {
          if (told.event === "lost") return follower.lost(told.data.message);
          follower.reached();
          follower.told(told);
        },
        (error) => follower.lost(String((error as { message?: unknown })?.message ?? error)),
      ),
    followLog: (name: string, lines: number, follower: LogFollower): Stop =>
      follow<LogEvent>(
        "follow_log",
        { name, lines },
        (told) => (told.event === "line" ? follower.line(told.data) : follower.missed(told.data.missed)),
        (error) => follower.ended(String((error as { message?: unknown })?.message ?? error)),
      ),
    recall: (key) => invoke("recall", { key }),
    keep: (key, value) => void invoke("keep", { key, value }),
  };
}
