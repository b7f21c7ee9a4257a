/** The application's page: its numbers come from the program that served it. */
import { AppHost } from "./host-app.js";
import { start } from "./page.js";

const root = document.getElementById("clearhead");
if (root) AppHost.open().then((host) => start(root, host));
