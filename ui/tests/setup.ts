import { afterEach } from "vitest";

// What jsdom lacks of a browser.
HTMLDialogElement.prototype.showModal ??= function (this: HTMLDialogElement) {
  this.open = true;
};
HTMLDialogElement.prototype.close ??= function (this: HTMLDialogElement) {
  this.open = false;
};
window.matchMedia ??= (query: string) =>
  Object.assign(new EventTarget(), { matches: false, media: query, onchange: null, addListener() {}, removeListener() {} }) as MediaQueryList;

afterEach(() => {
  document.body.replaceChildren();
  location.hash = "";
  sessionStorage.clear();
  localStorage.clear();
});
