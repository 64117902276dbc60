// A clock that ticks only while something on screen reads it.
import { createSubscriber } from "svelte/reactivity";

const subscribe = createSubscriber((update) => {
  let timer: ReturnType<typeof setInterval> | undefined;
  const follow = () => {
    clearInterval(timer);
    timer = document.hidden ? undefined : setInterval(update, 100);
    update();
  };
  document.addEventListener("visibilitychange", follow);
  timer = document.hidden ? undefined : setInterval(update, 100);
  return () => {
    clearInterval(timer);
    document.removeEventListener("visibilitychange", follow);
  };
});

export const clock = {
  get now(): number {
    subscribe();
    return Date.now();
  },
};
