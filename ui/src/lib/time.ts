// Times as people read them.

/** Returns `4.2 s`, `58 s`, `3 min 05 s`, `2 h 10 min`, `4 d`. */
export function elapsed(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(Math.floor(seconds % 60))} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${two(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d`;
}

/** Returns `14:03:07`, of this machine's clock. */
export function clockTime(time: string | Date): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? "" : `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** Returns `14:03:07` of today, with the day before it otherwise. */
export function when(time: string | Date, now: Date = new Date()): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  const clock = clockTime(date);
  if (date.toDateString() === now.toDateString()) return clock;
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  return `${day}, ${clock}`;
}

const two = (number: number) => String(number).padStart(2, "0");
