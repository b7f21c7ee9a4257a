/** The application's page: its numbers come from the program that served it. */
import { AppHost } from "./host-app.js";
import { start } from "./page.js";

AppHost.open().then((host) => start(document.getElementById("clearhead"), host));
