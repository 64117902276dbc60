import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig(({ mode }) => ({
  // The same files are served by the desktop at its root and by the core under `/ui/`.
  base: "./",
  plugins: [svelte()],
  build: {
    target: "es2022",
    // The polyfill and inlined assets would need a looser content security policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  // Without it vitest resolves Svelte's server build, which cannot mount.
  ...(mode === "test" ? { resolve: { conditions: ["browser"] } } : {}),
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
  },
}));
