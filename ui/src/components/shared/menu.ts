export type MenuItem = {
  label: string;
  /** Does it; null where it only says something. */
  act: (() => void) | null;
  look?: "plain" | "danger";
  /** Whether a line stands above it. */
  apart?: boolean;
};
