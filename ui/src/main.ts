import { mount } from "svelte";
import "./app.css";
import Root from "./Root.svelte";
import { browserTheme, showTheme } from "./lib/shell.svelte";
import { takeToken } from "./lib/token";

// Before anything is drawn, and before anything else can read the address.
const token = takeToken(location, history);
showTheme(browserTheme());

const target = document.getElementById("app");
if (!target) throw new Error("the page has no #app");
mount(Root, { target, props: { token } });
